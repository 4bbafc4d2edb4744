"""Killed and stopped on the way of a first boot and started again: in the end always what an undisturbed boot gives."""

from manifest import differences


def test_the_interruptions(crash_chain):
    print()
    for step in crash_chain.steps:
        print(f"  {step}; left: {' '.join(step.left)[:150]}")
    for step in crash_chain.steps:
        # 137 after docker stop would be its own SIGKILL, minutes later.
        assert step.exit_code in ((137,) if step.how == "kill" else (0, 70)), step
    hit = {step.hit for step in crash_chain.steps}
    assert {"volume", "release"} <= hit, hit


def test_never_half_a_volume(crash_chain):
    """Before the base system is complete there is nothing at the top but our folders; afterwards all of it stays."""
    complete = False
    for step in crash_chain.steps:
        if not complete and "usr" not in step.left:
            assert set(step.left) <= {"app", ".bootstrap.partial", ".bootstrap.ready"}, step.left
        complete = complete or {"bin", "etc", "usr", "var"} <= set(step.left)
        assert not complete or {"bin", "etc", "usr", "var"} <= set(step.left), step.left


def test_the_end_is_the_same(crash_chain, template):
    lines = differences(template.manifest, crash_chain.final)
    assert not lines, f"{len(lines)} differences\n" + "\n".join(lines[:60])


def test_it_runs_and_stops(crash_chain):
    assert crash_chain.stopped[0] == 0
    assert any("state booting -> running" in line for line in crash_chain.resumed)
