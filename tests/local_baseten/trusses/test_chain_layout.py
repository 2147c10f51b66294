"""What is no Chain is refused, in a sentence."""

import pytest

from local_baseten.errors import ChainError
from local_baseten.trusses.chain_layout import lay_out


def test_a_file_without_a_chain_is_refused_with_its_name_and_the_reason(tmp_path):
    source = tmp_path / "empty_chain.py"
    source.write_text("greeting = 'hello'\n")
    with pytest.raises(ChainError, match=r"empty_chain\.py.*mark_entrypoint"):
        lay_out(source, tmp_path / "truss")
    assert not (tmp_path / "truss").exists()
