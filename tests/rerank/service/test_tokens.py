import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from rerank.cli import main
from rerank.service.faults import Forbidden, ServiceError, Unauthorized
from rerank.service.tokens import Guard, new_token, read_tokens, revoke_token


def test_the_file_holds_hashes_alone_and_is_the_owner_s(tmp_path: Path) -> None:
    file = tmp_path / "run" / "tokens.json"
    secret = new_token(file, "engine", "use")
    text = file.read_text()
    assert secret not in text
    assert secret.removeprefix("pr_") not in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Guard(file).check(f"Bearer {secret}", "use").name == "engine"
    assert new_token(file, "other", "use") != secret


def test_a_token_reaches_as_far_as_its_role(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    use, admin = new_token(file, "engine", "use"), new_token(file, "ops", "admin")
    guard = Guard(file)
    assert guard.check(f"bearer {admin}", "admin").name == "ops"
    assert guard.check(f"Bearer {admin}", "use").name == "ops"
    with pytest.raises(Forbidden, match="admin"):
        guard.check(f"Bearer {use}", "admin")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer pr_wrong", "Bearer \udcff"]
)
def test_anything_else_stays_outside(tmp_path: Path, header: str | None) -> None:
    file = tmp_path / "tokens.json"
    new_token(file, "engine", "use")
    with pytest.raises(Unauthorized):
        Guard(file).check(header, "use")


def test_a_running_guard_sees_new_and_revoked_tokens_and_survives_a_broken_file(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    first = new_token(file, "first", "use")
    guard = Guard(file)
    second = new_token(file, "second", "use")
    assert guard.check(f"Bearer {second}", "use").name == "second"
    revoke_token(file, "first")
    with pytest.raises(Unauthorized, match="revoked"):
        guard.check(f"Bearer {first}", "use")
    file.write_text("{")
    assert guard.check(f"Bearer {second}", "use").name == "second"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"tokens": [{"name": "a", "role": "root", "sha256": "0"}]}'])
def test_another_file_is_no_token_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(text)
    with pytest.raises(ServiceError, match="no token file"):
        Guard(file)


def test_the_command_makes_lists_and_revokes(tmp_path: Path) -> None:
    file = str(tmp_path / "tokens.json")

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(main, ["token", *arguments, "--file", file])
        assert done.exit_code == 0, done.output
        return done.output

    secret = run("new", "engine").strip()
    assert Guard(Path(file)).check(f"Bearer {secret}", "use").name == "engine"
    assert json.loads(run("list", "--json")) == [{"name": "engine", "role": "use"}]
    twice = CliRunner().invoke(main, ["token", "new", "engine", "--file", file])
    assert (twice.exit_code, twice.output.startswith("error: ")) == (1, True)
    run("revoke", "engine")
    assert read_tokens(Path(file)) == ()
