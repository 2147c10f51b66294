import pytest

from local_baseten.endpoints.submit_body import check_endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://example.com",
        "https://example.com:8443/hook?token=a%20b#part",
        "https://user:password@example.com/",
        "https://b\u00fccher.example/",
        "https://[2001:db8::1]:8443/",
        "https://192.0.2.1/",
        "http://localhost/hook",
        "HTTP://LOCALHOST:80",
        "http://127.0.0.1:65535/",
        "http://[::1]:8400/",
    ],
)
def test_https_goes_anywhere_and_http_to_this_machine(endpoint):
    assert check_endpoint(endpoint) == endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://example.com/hook",
        "http://localhost.example.com/",
        "http://127.0.0.1.example.com/",
        "http://localhost@example.com/",
        "http://example.com/@localhost",
        "http://0.0.0.0/",
        "http://127.0.0.2/",
    ],
)
def test_http_goes_nowhere_else(endpoint):
    with pytest.raises(ValueError, match="https"):
        check_endpoint(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        *("", "not a url", "//localhost/", "localhost:8400", "ftp://localhost/", "file:///etc/x"),
        *("https://", "https:///path", "https://[", "https://example..com/", "https://h:99999/"),
        *("https://h/\n", "https://h/a b", "https://h\t/", "https://\ud800/", "https://h/\ud800"),
    ],
)
def test_what_is_no_address_is_refused(endpoint):
    with pytest.raises(ValueError, match="https"):
        check_endpoint(endpoint)
