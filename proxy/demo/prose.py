"""What the model of the demo knows: a few sentences per topic, and how to pick among them without chance."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """Something that can be talked about."""

    asked: re.Pattern[str]
    """Prompts about it match this."""
    sentences: tuple[str, ...]
    """In an order that reads well from any point on."""


def _topic(asked: str, *sentences: str) -> Topic:
    return Topic(re.compile(asked, re.IGNORECASE), sentences)


TOPICS = (
    _topic(
        r"\b(haiku|poem|verse|limerick)",
        "Night rain on the roof,\nthe same drop falls twice, and yet\nthe second costs less.\n\n",
        "A gull writes one line\nacross the grey of the bay;\nthe wind reads it back.\n\n",
        "Cold tea by the screen,\nall the tests have gone to green:\nnow I may go home.\n\n",
    ),
    _topic(
        r"\b(tides?|sea|ocean|lighthouses?|harbours?|ships?|sail\w*)\b",
        "The old lighthouse at Marren Point had kept the same hours for a hundred and forty years.",
        "Its keeper, a patient woman called Ida, wrote every passing ship into a ledger with a green cover.",
        "The tide there runs twelve hours and twenty-five minutes from one high water to the next, and she planned her "
        "days around it rather than around the sun.",
        "One autumn a fog came in that did not lift for nine days.",
        "On the third day she stopped hearing the bell buoy, and on the fifth she began to answer it herself, striking "
        "the rail with a spanner once for every swell that broke below.",
        "A trawler that should have been miles away heard the spanner and turned.",
        "Its skipper swore later that he had steered by what he took for the buoy, and that the chart agreed.",
        "When the fog was gone the buoy was found lying on the beach, its chain worn through, four days silent.",
        "Ida wrote the trawler into the ledger like any other ship, with the hour and the wind.",
        "In the column for remarks she put a single word: again.",
        "The ledger is in the museum now, open at that page, and the spanner lies next to it.",
        "Visitors tend to photograph the lamp.",
        "The sailors among them look at the spanner, and then for a long time at the tide table on the wall.",
    ),
    _topic(
        r"\b(cach\w*|replay\w*|record\w*|cassettes?|prox\w+)\b",
        "A cache keeps an answer where it can be had again for less than it cost the first time.",
        "The hard part is never the keeping; it is to know when two questions are the same question.",
        "A miss costs time, a wrong hit costs trust, so a careful cache would rather ask once too often.",
        "Recorded answers make a test fast, free and repeatable, as long as they are renewed when the prompt changes.",
        "A good key covers everything that could change the answer, and nothing that could not.",
    ),
    _topic(
        r"\b(test\w*|bugs?|debug\w*|flaky|pytest)\b",
        "A test is a sentence about the program that the machine can check.",
        "Start with the smallest input that shows the fault, and write it down before touching the code.",
        "Flaky tests are mostly tests that wait for time to pass instead of for something to happen.",
        "Keep the network out of unit tests: it is slow, it costs money, and it answers differently every day.",
        "When a bug is fixed, the test that found it stays.",
    ),
    _topic(
        r"\b(http|stream\w*|sse|latency|tokens?|apis?)\b",
        "A streamed answer starts to arrive as soon as the first token is ready, so it feels faster than it is.",
        "Server-sent events are plain lines of text: the word data, a colon, the payload, and an empty line.",
        "Time to first token is what a reader notices; tokens per second is what a batch job pays for.",
        "The last event of a stream may carry the usage, and a sentinel tells the client that nothing more will come.",
    ),
    _topic(
        r"\b(python|code|function|program\w*|regex|sort\w*)\b",
        "In Python the shortest answer is usually `sorted(items, key=...)`: it is stable, it copies, and it runs in "
        "O(n log n).",
        "Give the key as a function of one item, for example `key=str.casefold` for names that people have typed.",
        "For the few largest items of many, `heapq.nlargest` does less work.",
        "If the order depends on two things, return a tuple from the key function.",
    ),
    _topic(
        r"\b(name|slogan|title|brand|call (?:it|my|our))\b",
        "How about Second Helping? It says at once that nothing is cooked twice.",
        "I would call it Echo & Sons, since it answers in the voice it was given.",
        "Night Ferry would suit it: quiet, punctual, and it always comes back.",
        "Try Small Hours: short, easy to remember, and a little tired in a friendly way.",
    ),
    _topic(
        r"\b(cook\w*|recipes?|bread|soup|dinner|coffee|tea)\b",
        "Warm a spoon of butter, sweat two leeks in it until they give up, and add a potato for body.",
        "Cover with stock, simmer for twenty minutes, and blend only half, so that the spoon has something to find.",
        "Salt at the end, pepper at the table, and bread with a good crust beside it.",
    ),
)

ANYTHING = Topic(
    re.compile(""),
    (
        "In short: yes, with one condition that is worth a closer look.",
        "The usual approach works well here, and it gets simpler once the two concerns are kept apart.",
        "Write down what must always hold, then choose the least machinery that keeps it so.",
        "Measure before and after; a change that cannot be seen in a figure was a matter of taste.",
        "If you tell me more about the constraints, I can be more specific.",
    ),
)

THOUGHTS = (
    "Let me see what is really being asked.",
    "The wording leaves two readings; the plainer one fits the rest better.",
    "I should check the obvious case first, then the edge.",
    "Small numbers: easy to verify by hand, so let me do that before answering.",
    "That holds, so the answer can be short.",
)

REFUSAL = "I'm sorry, but I can't help with that."


def draw(seed: str, below: int) -> int:
    """A number from 0 to `below` - 1 that depends on nothing but `seed`."""
    return int.from_bytes(hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest()) % below


def talk(prompt: str, seed: str, *, long: bool) -> str:
    """What the model has to say about the topic of `prompt`: two or three sentences, or all of them if `long`."""
    topic = next((topic for topic in TOPICS if topic.asked.search(prompt)), ANYTHING)
    if long:
        return _joined(topic.sentences)
    start = draw(seed, len(topic.sentences))
    rotated = topic.sentences[start:] + topic.sentences[:start]
    return _joined(rotated[: 2 + draw(f"{seed} length", 2)])


def think(seed: str) -> str:
    """A few sentences of reasoning."""
    return _joined(THOUGHTS[: 3 + draw(f"{seed} thoughts", 3)])


def tokens(text: str) -> list[str]:
    """`text` cut into pieces of about four characters, the way tokenizers do it; joined they are `text` again."""
    return re.findall(r"\s*\w{1,7}|\s*[^\w\s]{1,3}|\s+", text)


def _joined(sentences: Sequence[str]) -> str:
    return "".join(sentence if sentence.endswith("\n") else f"{sentence} " for sentence in sentences).rstrip()
