from dataclasses import dataclass

from scanner.pipeline.matching import Jobs, match
from scanner.pipeline.report import Claim


@dataclass(frozen=True)
class Job:
    agent: str
    database: str


def jobs(*names: tuple[str, str]) -> Jobs[Job]:
    return Jobs([Job(*name) for name in names], lambda job: (job.agent, job.database))


def test_a_claim_finds_the_job_of_its_agent_and_database() -> None:
    index = jobs(("A_B_C", "SALES"), ("D_E_F", "SALES"))
    found = match("A_B_C", [Claim("SALES")], index)
    assert found.claimed == ((Job("A_B_C", "SALES"), Claim("SALES")),)


def test_an_agents_letter_case_does_not_matter() -> None:
    assert jobs(("a_B_c", "SALES")).find("A_B_C", "SALES") is not None


def test_a_database_is_found_in_another_letter_case_when_that_is_unambiguous() -> None:
    assert jobs(("A_B_C", "Sales")).find("A_B_C", "SALES") == Job("A_B_C", "Sales")


def test_databases_that_differ_in_case_alone_are_not_mixed_up() -> None:
    index = jobs(("A_B_C", "Sales"), ("A_B_C", "sales"))
    assert index.find("A_B_C", "sales") == Job("A_B_C", "sales")
    assert index.find("A_B_C", "SALES") is None


def test_a_claim_that_nobody_expects_is_told_apart() -> None:
    found = match("A_B_C", [Claim("SALES"), Claim("OTHER")], jobs(("A_B_C", "SALES")))
    assert found.unexpected == (Claim("OTHER"),)


def test_of_two_claims_for_one_job_the_later_counts() -> None:
    claims = [Claim("sales", staged_name="1"), Claim("SALES", staged_name="2")]
    found = match("A_B_C", claims, jobs(("A_B_C", "Sales")))
    assert [claim.staged_name for _, claim in found.claimed] == ["2"]


def test_a_job_added_later_is_found() -> None:
    index = jobs()
    index.add(Job("A_B_C", "SALES"))
    assert index.find("A_B_C", "SALES") is not None
