"""What to do about a kind of failure."""

_REMEDIES = {
    "INVALID_INPUT": "The request can never work as it is: each message names the field and what"
    " to change. Send those items again, corrected.",
    "KEY_CONFLICT": "The item's key holds the result of a different input, or of another version"
    " of the model. Send it under another job or item; nothing was overwritten.",
    "INFERENCE_ERROR": "The model failed on it, and again when it was repeated. The model's log has"
    " the place, under the record's traceback_digest.",
    "DOCUMENT_UNAVAILABLE": "The host of the document's address did not deliver. Once it answers,"
    " send the items again.",
    "STORE_UNAVAILABLE": "The bucket was away longer than the model waits. Send the items again.",
    "STORE_ACCESS_DENIED": "The model may not write to the bucket: `outbox policy --for writer`"
    " prints what it needs. Then send the items again.",
    "STORE_ERROR": "The bucket refused: see the message, and `outbox doctor`.",
    "REFUSED": "The service did not take the request: the message says why.",
    "NOT_SENT": "It is not known whether the request arrived. Send the job again: what is there"
    " already is not computed twice.",
    "EXPIRED": "It waited in the queue longer than allowed. Send it again, with a longer"
    " --max-time-in-queue or more replicas.",
    "CANCELED": "It was canceled before it ran. Send it again if it is wanted after all.",
    "FORGOTTEN": "The service no longer knows the request, and no result came. Send it again.",
}


def remedy(code: str, *, retryable: bool | None) -> str:
    if code in _REMEDIES:
        return _REMEDIES[code]
    if retryable:
        return "The same request may succeed later: send the items again."
    return "See the messages."
