"""What logins, services and Docker are promised and what they have."""

from __future__ import annotations

import pytest

from agent.machine.limits import SESSION_ARGV
from agent.machine.systemd import KEPT, units_argv
from agent.model.errors import Unobservable
from checks.system import limits_docker, limits_login, limits_service, limits_session
from tests.checks.findings import CONTAINER, DENIED, SYSTEMD, only, units_text, verdicts
from tests.fixtures import FakeMachine

DROPIN = "/etc/security/limits.d/60-firstlight.conf"
GOOD = "".join(f"{who} {kind} nofile 1000000\n" for who in ("*", "root") for kind in ("soft", "hard"))
PAM = {"/etc/pam.d/login": "session required pam_limits.so\n"}
OFF = {"system": {"limits": {"enabled": False}}}
HEAD = "Limit                     Soft Limit           Hard Limit           Units     \n"
MANAGER = ("systemctl", "show", "-p", "DefaultLimitNOFILE,DefaultLimitNOFILESoft")


def process(soft: object, hard: object) -> str:
    return f"{HEAD}{'Max open files':<26}{soft:<21}{hard:<21}files     \n"


def test_our_drop_in_gives_logins_what_the_profile_wants():
    assert verdicts(limits_login.CHECK, FakeMachine({**PAM, DROPIN: GOOD})) == [("pass", "")]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {DROPIN: GOOD.replace("1000000", "4096", 1)},
        {DROPIN: GOOD.replace("root hard nofile", "root hard nproc")},
        {DROPIN: GOOD, "/etc/security/limits.d/99-site.conf": "* - nofile 65535\n"},
    ],
)
def test_a_missing_or_overridden_line_fails_with_role_limits(files):
    finding = only(limits_login.CHECK, FakeMachine({**PAM, **files}))
    assert (finding.verdict, finding.subject, finding.remedy.role) == ("fail", "nofile", "limits")


def test_the_file_and_line_that_decides_is_named():
    later = {"/etc/security/limits.d/99-site.conf": "# ours\n*  hard  nofile  65535  # small\n"}
    assert "99-site.conf:2" in only(limits_login.CHECK, FakeMachine({**PAM, DROPIN: GOOD, **later})).summary


def test_a_line_of_limits_conf_itself_is_overridden_by_ours():
    machine = FakeMachine({**PAM, DROPIN: GOOD, "/etc/security/limits.conf": "* - nofile 1024\n"})
    assert verdicts(limits_login.CHECK, machine) == [("pass", "")]


def test_memlock_is_judged_only_when_wanted():
    wanted = {"system": {"limits": {"memlock": "unlimited"}}}
    locked = GOOD + GOOD.replace("nofile 1000000", "memlock unlimited")
    assert verdicts(limits_login.CHECK, FakeMachine({**PAM, DROPIN: GOOD}), **wanted) == [("fail", "memlock")]
    assert verdicts(limits_login.CHECK, FakeMachine({**PAM, DROPIN: locked}), **wanted) == [("pass", "")]


def test_a_pam_service_without_pam_limits_fails():
    machine = FakeMachine({**PAM, DROPIN: GOOD, "/etc/pam.d/sshd": "# session required pam_limits.so\n"})
    finding = only(limits_login.CHECK, machine)
    assert (finding.verdict, finding.subject) == ("fail", "pam")
    assert "sshd" in finding.summary


def test_pam_limits_in_common_session_covers_all():
    common = {"/etc/pam.d/common-session": "session required pam_limits.so", "/etc/pam.d/sshd": ""}
    assert verdicts(limits_login.CHECK, FakeMachine({**common, DROPIN: GOOD})) == [("pass", "")]


def test_unreadable_limits_are_unknown_and_a_profile_without_them_not_applicable():
    machine = FakeMachine({DROPIN: GOOD}, errors={DROPIN: DENIED})
    assert only(limits_login.CHECK, machine).verdict == "unknown"
    assert only(limits_login.CHECK, machine, **OFF).verdict == "not-applicable"


def session(answer: object, hard: object = 1_048_576, **more: object) -> FakeMachine:
    files = {DROPIN: GOOD, "/proc/1/limits": process(1024, hard), **more.pop("files", {})}
    return FakeMachine(files, {SESSION_ARGV: answer}, **more)


@pytest.mark.parametrize(("answer", "verdict"), [
    ("1000000\n1000000\n", "pass"), ("unlimited\nunlimited\n", "pass"), ("1024\n1000000\n", "fail"),
    ("1024\n524288\n", "fail"), (Unobservable("su: Authentication failure"), "unknown"),
])
def test_a_fresh_session_must_have_both_limits(answer, verdict):
    assert only(limits_session.CHECK, session(answer)).verdict == verdict


def test_a_container_that_may_not_reach_the_limit_is_not_applicable():
    machine = session("20000\n20000\n", hard=20000, files=CONTAINER)
    assert only(limits_session.CHECK, machine).verdict == "not-applicable"


def test_wrong_files_are_reported_by_limits_login_alone():
    machine = session("4096\n4096\n", files={DROPIN: GOOD.replace("1000000", "4096")})
    assert only(limits_session.CHECK, machine).verdict == "not-applicable"


def test_a_session_needs_root():
    assert only(limits_session.CHECK, session("1000000\n1000000\n", privileged=False)).verdict == "unknown"


@pytest.mark.parametrize(("hard", "soft", "verdict"), [
    ("1000000", "1000000", "pass"), ("infinity", "infinity", "pass"), ("1000000", "1024", "fail"),
    ("524288", "1024", "fail"),
])
def test_systemd_must_give_services_both_limits(hard, soft, verdict):
    text = f"DefaultLimitNOFILE={hard}\nDefaultLimitNOFILESoft={soft}\n"
    assert only(limits_service.CHECK, FakeMachine(FILES, {MANAGER: text}, folders=SYSTEMD)).verdict == verdict


FILES = {f"/etc/systemd/{name}.conf.d/60-firstlight.conf": "[Manager]\nDefaultLimitNOFILE=1000000:1000000\n"
         for name in ("system", "user")}
IN_FORCE = {MANAGER: "DefaultLimitNOFILE=1000000\nDefaultLimitNOFILESoft=1000000\n"}


@pytest.mark.parametrize(("name", "text", "verdict"), [
    ("system", "", "fail"), ("user", "[Manager]\nDefaultLimitNOFILE=4096\n", "fail"),
    ("user", "[Manager]\nDefaultLimitNOFILE=1024:1000000\n", "fail"),
    ("user", "[Manager]\nDefaultLimitNOFILE=x\n", "fail"),
    ("user", "[Manager]\nDefaultLimitNOFILE=infinity\n", "pass"), ("system", "[User]\nDefaultLimitNOFILE=9\n", "fail"),
])
def test_the_files_of_both_managers_must_say_so_too(name, text, verdict):
    path = f"/etc/systemd/{name}.conf.d/60-firstlight.conf"
    finding = only(limits_service.CHECK, FakeMachine({**FILES, path: text}, IN_FORCE, folders=SYSTEMD))
    assert (finding.verdict, finding.subject) == (verdict, f"{name} DefaultLimitNOFILE" if verdict == "fail" else "")


def test_a_file_of_systemd_that_is_read_later_decides_and_one_in_etc_masks_its_namesake():
    later = {"/etc/systemd/user.conf.d/99-lab.conf": "[Manager]\nDefaultLimitNOFILE=64\n"}
    assert only(limits_service.CHECK, FakeMachine({**FILES, **later}, IN_FORCE, folders=SYSTEMD)).verdict == "fail"
    masked = {"/usr/lib/systemd/user.conf.d/60-firstlight.conf": "[Manager]\nDefaultLimitNOFILE=64\n"}
    assert only(limits_service.CHECK, FakeMachine({**FILES, **masked}, IN_FORCE, folders=SYSTEMD)).verdict == "pass"


def test_locked_memory_of_services_is_judged_only_when_wanted():
    wanted = {"system": {"limits": {"memlock": "unlimited"}}}
    locked = {path: text + "DefaultLimitMEMLOCK=infinity\n" for path, text in FILES.items()}
    assert only(limits_service.CHECK, FakeMachine(locked, IN_FORCE, folders=SYSTEMD), **wanted).verdict == "pass"
    found = verdicts(limits_service.CHECK, FakeMachine(FILES, IN_FORCE, folders=SYSTEMD), **wanted)
    assert found == [("fail", "system DefaultLimitMEMLOCK"), ("fail", "user DefaultLimitMEMLOCK")]


def test_without_systemd_service_limits_are_unknown_never_pass():
    assert only(limits_service.CHECK, FakeMachine()).verdict == "unknown"
    assert only(limits_service.CHECK, FakeMachine(), **OFF).verdict == "not-applicable"


def docker(hard: object, **more: object) -> FakeMachine:
    files = {"/run/docker.pid": "321", "/proc/321/comm": "dockerd\n", "/proc/321/limits": process(1024, hard)}
    return FakeMachine({**files, "/proc/1/limits": process(1024, 20000), **more.pop("files", {})}, **more)


def test_a_running_dockerd_is_judged_by_its_own_limit_when_the_profile_sets_one():
    assert only(limits_docker.CHECK, docker(1_000_000, **unit("1000000")), **OWN).verdict == "pass"
    finding = only(limits_docker.CHECK, docker(524_288, **unit("1000000")), **OWN)
    assert (finding.verdict, finding.remedy.role) == ("fail", "docker")


OWN = {"container": {"docker": {"nofile": 1_000_000}}}


def unit(limit: str, **more: str) -> dict[str, object]:
    """Return what systemd says of docker.service."""
    told = {"ActiveState": "active", "LimitNOFILE": limit, **more}
    return {"commands": {units_argv(): units_text(*KEPT, docker_service=told)}, "folders": SYSTEMD}


def test_the_unit_of_docker_must_give_it_as_much_after_a_restart():
    finding = only(limits_docker.CHECK, docker(1_000_000, **unit("524288")), **OWN)
    assert (finding.verdict, finding.seen, finding.remedy.role) == ("fail", "524288", "docker")
    stale = docker(1_000_000, **unit("1000000", NeedDaemonReload="yes"))
    assert only(limits_docker.CHECK, stale, **OWN).verdict == "fail"
    assert only(limits_docker.CHECK, docker(1_000_000), **OWN).verdict == "unknown"


def test_a_unit_that_is_not_there_is_another_checks_matter():
    assert only(limits_docker.CHECK, docker(1_000_000, commands={units_argv(): units_text(*KEPT)}, folders=SYSTEMD),
                **OWN).verdict == "pass"


def test_a_dockerd_older_than_the_limit_of_services_is_a_warning():
    assert only(limits_docker.CHECK, docker("unlimited")).verdict == "pass"
    finding = only(limits_docker.CHECK, docker(524_288))
    assert finding.verdict == "warn"
    assert finding.remedy.steps


def test_no_dockerd_a_stale_pid_and_a_capped_container_are_not_applicable():
    assert only(limits_docker.CHECK, FakeMachine()).verdict == "not-applicable"
    assert only(limits_docker.CHECK, docker(1, files={"/proc/321/comm": "bash\n"})).verdict == "not-applicable"
    assert only(limits_docker.CHECK, docker(20000, files=CONTAINER)).verdict == "not-applicable"


def test_limits_of_dockerd_that_cannot_be_read_are_unknown():
    assert only(limits_docker.CHECK, docker(1, errors={"/proc/321/limits": DENIED})).verdict == "unknown"


def test_limits_the_profile_leaves_alone_are_not_applicable_everywhere():
    alone = OFF | {"container": {"docker": {"enabled": False}}}
    for check in (limits_login, limits_session, limits_service, limits_docker):
        assert only(check.CHECK, FakeMachine(), **alone).verdict == "not-applicable"


def test_outside_a_container_the_limit_of_pid_1_excuses_nothing():
    machine = docker(4096, files={"/proc/1/limits": process(1024, 4096)})
    assert only(limits_docker.CHECK, machine).verdict == "warn"


def test_a_container_with_room_enough_is_judged_like_a_machine():
    roomy = {**CONTAINER, "/proc/1/limits": process(1024, 2_000_000)}
    assert only(limits_docker.CHECK, docker(4096, files=roomy)).verdict == "warn"
