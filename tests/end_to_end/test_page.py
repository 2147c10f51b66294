"""What the stand-in's page is told of a result that the real server has stored."""

from tests.end_to_end.asking import final_status, submit


def test_the_page_gets_a_results_files_from_the_models_bucket(api, job):
    request_id = submit(api, job, "one", text="to be counted")
    final_status(api, request_id)

    detail = api.get(f"/page/requests/{request_id}").json()

    assert (detail["name"], detail["status"]) == (f"{job}/one", "SUCCEEDED")
    names = [artifact["name"] for artifact in detail["manifest"]["artifacts"]]
    number = names.index("words.txt")
    file = api.get(f"/page/requests/{request_id}/artifacts/{number}")
    assert file.text == "to\nbe\ncounted"


def test_the_page_gets_no_result_of_a_request_that_failed(api, job):
    request_id = submit(api, job, "one", error="input")
    final_status(api, request_id)

    detail = api.get(f"/page/requests/{request_id}").json()

    assert (detail["error"]["code"], detail["manifest"]) == ("MODEL_INVALID_INPUT", None)
    assert api.get(f"/page/requests/{request_id}/artifacts/0").status_code == 404
