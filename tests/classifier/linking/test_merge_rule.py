from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from incidentwire.events import LinkReason
from services.classifier.linking.index import MEMBERS, POSTINGS
from services.classifier.linking.merge_rule import (
    CROWDING_RIVALS,
    Decision,
    Fingerprint,
    LinkIndex,
    decide,
    decode,
    fingerprint,
)

LEAK = [
    (
        "Marwick Vale patients' records copied",
        "Marwick Vale Clinics said that records of 41,300 patients were copied from a server of its booking partner "
        "Ostrel Data, which had no password. Inspector Ilse Brandt opened an inquiry.",
    ),
    (
        "Inquiry into Ostrel Data after clinic leak",
        "Regional inspector Ilse Brandt has opened an inquiry into Ostrel Data. A server of the booking firm held "
        "notes on 41,300 patients of Marwick Vale Clinics without a password.",
    ),
]
PARK = (
    "Face gates at Tolm Lake park go to court",
    "A visitor sued Tolm Lake wildlife park, which wants the faces of all who hold a season ticket. Judge Priya "
    "Sandoval heard the case on Friday. The park says that faces are quicker than cards at the gate.",
)
OTHER_LEAK = (
    "Harbour bank's client list for sale",
    "A list of clients of Senn Harbour Bank is for sale on a forum. The seller, known as greyfin, asks for two coins. "
    "Police in Port Senn look into how account numbers and telephone numbers left the bank.",
)
CHINESE = [
    (
        "云诊助手泄露四万患者资料",
        "记者获悉,应用《云诊助手》的数据库未设密码,约四万名患者的姓名和就诊记录外泄。"
        "北川市网信办已约谈运营方奥斯特尔公司。",
    ),
    (
        "北川市网信办约谈奥斯特尔公司",
        "因《云诊助手》数据库未设密码,四万名患者就诊记录外泄,北川市网信办约谈了运营方奥斯特尔公司,要求限期整改。",
    ),
    (
        "白湖公园刷脸入园被诉",
        "一名游客起诉白湖野生动物园,称园方强制年卡用户刷脸入园。法院周五开庭审理,园方表示刷脸比刷卡更快。",
    ),
]


def test_two_papers_on_one_breach_become_one_incident() -> None:
    index = LinkIndex()
    index.add("n_leak", "a#m0", decode(fingerprint(*LEAK[0], "2024-03-05")))
    decision = decide(decode(fingerprint(*LEAK[1], "2024-03-06")), index)
    assert decision.incident == "n_leak"
    assert decision.review == ()
    assert decision.why.shared is not None
    assert decision.why.shared.names >= 5
    assert decision.why.days == 1
    assert decision.why.score == decision.score


def test_other_happenings_open_incidents_of_their_own() -> None:
    index = LinkIndex()
    index.add("n_leak", "a#m0", decode(fingerprint(*LEAK[0], "2024-03-05")))
    for story in (PARK, OTHER_LEAK):
        assert decide(decode(fingerprint(*story, "2024-03-05")), index).incident is None


def test_chinese_reports_meet_without_segmentation() -> None:
    index = LinkIndex()
    index.add("n_leak", "a#m0", decode(fingerprint(*CHINESE[0], "2024-03-05")))
    assert (
        decide(decode(fingerprint(*CHINESE[1], "2024-03-05")), index).incident
        == "n_leak"
    )
    assert (
        decide(decode(fingerprint(*CHINESE[2], "2024-03-05")), index).incident is None
    )


def test_the_first_mention_of_all_opens_an_incident() -> None:
    decision = decide(decode(fingerprint(*PARK)), LinkIndex())
    assert (decision.incident, decision.score, decision.why) == (
        None,
        0.0,
        LinkReason(),
    )
    assert decide(decode(fingerprint("", "")), LinkIndex()).incident is None


def test_a_month_later_the_same_words_need_more() -> None:
    index = LinkIndex()
    index.add("n_leak", "a#m0", decode(fingerprint(*LEAK[0], "2024-03-05")))
    scores = [
        decide(decode(fingerprint(*LEAK[1], day)), index).score
        for day in (
            "2024-03-05",
            "2024-03-06",
            "2024-03-15",
            "2024-04-05",
            "2025-03-05",
        )
    ]
    assert scores[0] == scores[1]
    assert scores[1] > scores[2] > scores[3] > scores[4] >= scores[0] / 2 - 0.001


def test_a_syndicated_copy_joins_however_late() -> None:
    title = LEAK[0][0]
    text = f"{LEAK[0][1]} {LEAK[1][1]}"
    index = LinkIndex()
    index.add("n_leak", "a#m0", decode(fingerprint(title, text, "2024-03-05")))
    decision = decide(
        decode(fingerprint("From our partners", text, "2026-03-05")), index
    )
    assert (decision.incident, decision.score, decision.why.copy) == (
        "n_leak",
        1.0,
        True,
    )


APP = (
    "Face app Fennel draws anger over its terms",
    "Fennel, an app that puts a user's face into scenes of old films, was the most wanted of the week. Then people read its "
    "terms: whoever uses Fennel gives away every picture for ever. Critics asked who else sees them, a messenger blocked "
    "links to the app, and the ministry called the makers in. Fennel changed the terms on Tuesday and said that nothing "
    "was sold. Bankers were asked whether Fennel could fool their gates; they said that it could not. Teachers, lawyers "
    "and parents wrote to the papers all week, and two universities began a survey of what young people know of such terms.",
)
LOOKING_BACK = (
    "Officials have had their hands full. In autumn the ministry called in the makers of an app, Fennel, which had let "
    "anybody step into the scenes of a film, and told them to change their terms: pictures that users had given Fennel "
    "went astray, and critics had asked who looks at them. Today it lies on few telephones. Elsewhere, officials say, the "
    "year brought more of the same: gates, lamps, tills and bus stops that watch, and voters who have begun to mind."
)


def _part(text: str, day: str = "2024-12-06") -> Fingerprint:
    return decode(fingerprint("", text, day, part=True))


def test_a_part_of_a_feature_joins_what_it_looks_back_at_by_the_name_it_repeats() -> (
    None
):
    index = LinkIndex()
    index.add("n_app", "a#m0", decode(fingerprint(*APP, "2024-09-03")))
    index.add("n_park", "b#m0", decode(fingerprint(*PARK, "2024-11-30")))
    result = decide(_part(LOOKING_BACK), index)
    assert (result.incident, result.why.retold, result.review) == ("n_app", True, ())
    whole = decide(decode(fingerprint("", LOOKING_BACK, "2024-12-06")), index)
    assert (whole.incident, whole.why.retold) == (None, False)


def test_a_report_joins_the_part_of_a_feature_that_came_before_it() -> None:
    index = LinkIndex()
    index.add("n_park", "b#m0", decode(fingerprint(*PARK, "2024-11-30")))
    index.add("n_feature", "c#m1", _part(LOOKING_BACK))
    assert (
        decide(decode(fingerprint(*APP, "2024-09-03")), index).incident == "n_feature"
    )


def test_a_name_that_is_said_once_brings_nothing_together() -> None:
    index = LinkIndex()
    index.add("n_app", "a#m0", decode(fingerprint(*APP, "2024-09-03")))
    only_name = LOOKING_BACK.lower().replace("fennel", "Fennel")
    assert decide(_part(only_name), index).incident == "n_app"
    assert (
        decide(
            _part(only_name.replace("had given Fennel", "had given it")), index
        ).incident
        is None
    )


def test_a_name_alone_brings_nothing_together() -> None:
    index = LinkIndex()
    index.add("n_app", "a#m0", decode(fingerprint(*APP, "2024-09-03")))
    other = "The herb garden at Tolm has a prize: Fennel, says the jury, was never so green, and Fennel soup so cheap."
    assert decide(_part(other), index).incident is None


def test_two_incidents_of_one_name_are_not_told_apart_by_the_name() -> None:
    index = LinkIndex()
    index.add("n_app", "a#m0", decode(fingerprint(*APP, "2024-09-03")))
    leak = "Fennel lost the pictures of 80,000 users to a thief. Fennel says that a partner's disk was taken from a train."
    index.add(
        "n_leak",
        "b#m0",
        decode(fingerprint("Fennel users' pictures stolen", leak, "2024-10-20")),
    )
    assert decide(_part(LOOKING_BACK), index).incident is None


def test_parts_that_an_article_tells_apart_are_not_brought_together_by_a_name() -> None:
    index = LinkIndex()
    index.add("n_app", "a#m0", decode(fingerprint(*APP, "2024-09-03")))
    assert (
        decide(_part(LOOKING_BACK), index, sibling_incidents={"n_app"}).incident is None
    )


def test_names_count_more_than_words() -> None:
    text = "the lost {} records were on a {} server in a {} cellar {} for years"
    base = decode(fingerprint("", text.format("Ostrel", "Marwick", "Brandt", "Tolm")))
    index = LinkIndex()
    index.add("n_names", "a#m0", base)
    same_names = decide(
        decode(fingerprint("", "Ostrel Marwick Brandt Tolm sold dull green paint")),
        index,
    )
    same_words = decide(
        decode(fingerprint("", "lost records server cellar sold dull green paint")),
        index,
    )
    assert same_names.score > same_words.score


def test_figures_and_dates_tell_two_happenings_of_a_kind_apart() -> None:
    story = "A {} earthquake shook the coast near Tolm on {}. Walls cracked in {} houses and {} people were hurt."
    index = LinkIndex()
    index.add(
        "n_quake",
        "a#m0",
        decode(fingerprint("", story.format("5.6", "14 March 2024", 412, 37))),
    )
    again = "{} houses near Tolm have cracked walls since the {} earthquake of {}, and {} people went to hospital."
    same = fingerprint("", again.format(412, "5.6", "14 March 2024", 37))
    other = fingerprint("", again.format(96, "4.8", "2 November 2021", 11))
    assert decide(decode(same), index).incident == "n_quake"
    assert decide(decode(other), index).incident is None


def test_of_two_close_incidents_the_better_is_taken_for_review() -> None:
    index = LinkIndex()
    index.add("n_one", "a#m0", decode(fingerprint(*LEAK[0], "2024-03-05")))
    index.add("n_two", "b#m0", decode(fingerprint(*LEAK[0], "2024-03-06")))
    decision = decide(decode(fingerprint(*LEAK[1], "2024-03-05")), index)
    assert decision.incident == "n_one"
    assert decision.review == ("n_two",)


def test_a_report_that_is_like_many_incidents_needs_more_to_join_one() -> None:
    words = [
        f"{a}{b}ra"
        for a in ("ka", "lo", "mi", "nu")
        for b in ("be", "do", "fi", "gu", "ze")
    ]
    day = "2024-03-05"
    report = decode(fingerprint("", " ".join(words), day))

    def like(first: int, shared: int) -> Fingerprint:
        own = [f"{word}tok{first}" for word in words[shared:]]
        return decode(
            fingerprint("", " ".join(words[first : first + shared] + own), day)
        )

    index = LinkIndex()
    index.add("n_best", "a#m0", like(0, 5))
    alone = decide(report, index)
    assert alone.incident == "n_best"
    for n in range(CROWDING_RIVALS):
        index.add(f"n_{n}", f"i{n}#m0", like(n + 1, 5))
    among = decide(report, index)
    assert (among.incident, among.score >= alone.score) == (None, True)
    index.add(
        "n_best", "b#m0", report
    )  # nearly all that it says: however many there are
    assert decide(report, index).incident == "n_best"


def test_without_dates_two_reports_are_less_surely_of_one_incident() -> None:
    def score(*days: str | None) -> float:
        index = LinkIndex()
        index.add("n_leak", "a#m0", decode(fingerprint(*LEAK[0], days[0])))
        return decide(decode(fingerprint(*LEAK[1], days[1])), index).score

    same_day = score("2024-03-05", "2024-03-05")
    assert score(None, None) == score(None, "2024-03-05") < same_day


def test_the_linker_does_not_put_back_what_people_moved_out() -> None:
    index = LinkIndex()
    index.add("n_leak", "a#m0", decode(fingerprint(*LEAK[0])))
    assert (
        decide(
            decode(fingerprint(*LEAK[1])),
            index,
            cannot_link=["n_leak", "n_unknown"],
        ).incident
        is None
    )


def test_merged_incidents_answer_as_one_until_the_merge_is_undone() -> None:
    index = LinkIndex()
    index.add("n_park", "a#m0", decode(fingerprint(*PARK)))
    index.add("n_leak", "b#m0", decode(fingerprint(*LEAK[0])))
    report = decode(fingerprint(*LEAK[1]))
    alone = decide(report, index)
    index.merge("n_leak", "n_park")
    merged = decide(report, index)
    assert merged.incident == "n_park"
    assert merged.score < alone.score
    assert decide(report, index, cannot_link=["n_leak"]).incident is None
    index.unmerge("n_leak")
    assert decide(report, index) == alone
    index.unmerge("n_leak")
    index.merge("n_leak", "n_never_seen")
    assert decide(report, index) == alone


def test_a_mention_that_left_is_no_reason_to_join() -> None:
    index = LinkIndex()
    index.add("n_leak", "a#m0", decode(fingerprint(*LEAK[0])))
    assert index.remove("n_leak", "a#m0")
    assert not index.remove("n_leak", "a#m0")
    assert not index.remove("n_never_seen", "a#m0")
    assert decide(decode(fingerprint(*LEAK[1])), index).incident is None


def test_an_incident_keeps_a_bounded_number_of_fingerprints_and_its_first() -> None:
    index = LinkIndex()
    for n in range(3 * MEMBERS):
        index.add(
            "n_leak",
            f"i{n}#m0",
            decode(fingerprint(LEAK[n % 2][0], LEAK[n % 2][1] + f" Note{n}.")),
        )
    assert (
        sum(index.remove("n_leak", f"i{n}#m0") for n in range(1, 3 * MEMBERS))
        == MEMBERS - 1
    )
    assert index.remove("n_leak", "i0#m0")


def test_an_old_incident_is_found_among_many_that_share_its_common_terms() -> None:
    index = LinkIndex()
    index.add("n_leak", "a#m0", decode(fingerprint(*LEAK[0])))
    draw = random.Random(4)
    for n in range(3 * POSTINGS):
        words = " ".join(
            "".join(draw.choices("aeioubdfgklmnprst", k=7)) for _ in range(30)
        )
        text = f"Records of patients were copied from a server without a password. An inquiry was opened. {words}"
        index.add(f"n_{n}", f"i{n}#m0", decode(fingerprint("Records copied", text)))
    assert decide(decode(fingerprint(*LEAK[1])), index).incident == "n_leak"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 5), st.sampled_from([None, "2024-03-05", "2024-05-01"])
        ),
        max_size=14,
    )
)
def test_the_same_sequence_gives_the_same_decisions(
    sequence: list[tuple[int, str | None]],
) -> None:
    stories = [*LEAK, PARK, OTHER_LEAK, *CHINESE[:2]]

    def run() -> list[Decision]:
        index = LinkIndex()
        decisions = list[Decision]()
        for n, (which, day) in enumerate(sequence):
            mention = decode(fingerprint(*stories[which], day))
            decisions.append(decide(mention, index))
            index.add(decisions[-1].incident or f"n_{n}", f"i{n}#m0", mention)
        return decisions

    assert run() == run()


def test_scores_are_the_same_on_every_machine() -> None:
    # golden: scores are computed in integers, so another value means another decision
    index = LinkIndex()
    index.add("n_leak", "a#m0", decode(fingerprint(*LEAK[0], "2024-03-05")))
    index.add("n_park", "b#m0", decode(fingerprint(*PARK, "2024-03-05")))
    story = f"{LEAK[1][1]} Tolm Lake wildlife park was named too."
    matches = index.matches(decode(fingerprint(PARK[0], story, "2024-03-20")))
    assert [(m.incident, m.score) for m in matches] == [
        ("n_leak", 3746),
        ("n_park", 3731),
    ]
