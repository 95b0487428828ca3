"""What a person or a script has of it: exit codes, the table, the JSON, and words that say what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from meshctl.doctor.commands import doctor
from meshctl.lab.kernel import inside_net
from meshctl.model import MeshctlError
from tests.doctor.planted import OWN4, Behaviour, Planted

pytestmark = pytest.mark.kernel

DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "doctor.md"


def typed(planted: Planted, *words: str, typing: str = "") -> Result:
    fixed = ("--portal", "--only", "apple,android,firefox", "--resolver", OWN4, "--ca", str(planted.authority.ca))
    with inside_net(planted.member):
        return CliRunner().invoke(doctor, [*fixed, *words], input=typing, color=True)


def test_without_portal_it_says_what_it_can_do() -> None:
    done = CliRunner().invoke(doctor)

    assert done.exit_code == 0
    assert "--portal" in done.output


def test_before_joining_and_after_pressing_the_button_all_is_green(planted: Planted) -> None:
    planted.behave(Behaviour())
    done = typed(planted, "--phase", "both", "--join")

    assert done.exit_code == 0
    assert [title in done.output for title in ("Before joining", "After joining", "Not checked", "Good")] == [True] * 4
    assert "\x1b[32m" in done.output


def test_the_table_fits_80_columns_and_says_in_words_what_colours_say(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    planted.behave(Behaviour(status=511, cache="", drops=True))
    done = typed(planted, "--timeout", "1")

    assert done.exit_code == 1
    assert max(map(len, done.output.splitlines())) <= 80
    assert "\x1b" not in done.output
    assert "BAD" in done.output
    assert "only-511" in done.output


def test_a_person_joins_between_the_two_looks(planted: Planted) -> None:
    planted.behave(Behaviour())
    done = typed(planted, "--phase", "both", typing="\n")

    assert "Join now" in done.stderr
    assert done.exit_code == 1  # nobody joined: after joining, phones still open the page
    assert "After joining" in done.output


def test_a_device_that_has_joined_is_looked_at_alone(planted: Planted) -> None:
    planted.behave(Behaviour())
    planted.set_joined(joined=True)
    done = typed(planted, "--phase", "after", "--interface", "lo")

    assert done.exit_code == 0
    assert "Before joining" not in done.output


def test_the_json_has_the_documented_shape(planted: Planted) -> None:
    planted.behave(Behaviour())
    done = typed(planted, "--json")
    told = json.loads(done.stdout)
    documented = json.loads(DOCS.read_text("utf-8").split("```json\n")[1].split("```")[0])

    assert (done.exit_code, told["verdict"], told["shape"]) == (0, "good", 1)
    assert told.keys() == documented.keys()
    for part in ("clients", "unchecked"):
        assert told[part][0].keys() == documented[part][0].keys()
    assert told["clients"][0]["probes"][0].keys() == documented["clients"][0]["probes"][0].keys()
    assert told["announced"].keys() == documented["announced"].keys()


def test_where_there_is_no_network_it_is_blind_and_says_so(planted: Planted) -> None:
    with inside_net(planted.member):
        done = CliRunner().invoke(doctor, ["--portal", "--only", "apple", "--resolver", "192.0.2.1"])

    assert done.exit_code == 2
    assert "could not look" in done.output
    assert "Good" not in done.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--portal", "--only", "nokia"), "no client 'nokia'"),
        (("--portal", "--resolver", "mesh.home"), "no IP address"),
        (("--portal", "--interface", "nothing0"), "ip link"),
        (("--portal", "--ca", "/nowhere.pem"), "PEM"),
        (("--portal", "--api", "mesh.example/captive"), "https://"),
        (("--portal", "--api", "ftp://mesh.example/captive"), "https://"),
    ],
)
def test_a_wrong_call_names_the_remedy(words: tuple[str, ...], says: str) -> None:
    done = CliRunner().invoke(doctor, words)

    assert isinstance(done.exception, MeshctlError)
    assert says in str(done.exception)
    assert done.exception.exit_code == 2


def test_join_alone_is_a_wrong_call() -> None:
    done = CliRunner().invoke(doctor, ["--portal", "--join"])

    assert done.exit_code == 2
    assert "--phase both" in done.output
