"""Questions about stories in bAbI's format: the reader, the generator, and a machine that answers."""

import re

import numpy as np
import pytest
from memory_machines import DNC
from memory_training import refused, samples, train

KEYS = dict(locations=8, width=6, read_heads=2)
EMBEDDED = {**KEYS, "embedding": 7}

# Lines as they stand in the published files: a space before the tab, "\r\n" in some copies.
STORIES = (
    "1 Mary moved to the bathroom.\n"
    "2 John went to the hallway.\n"
    "3 Where is Mary? \tbathroom\t1\n"
    "4 Daniel went back to the hallway.\n"
    "5 Where is Daniel? \thallway\t4\n"
    "1 Mary got the milk there.\r\n"
    "2 Mary got the football.\r\n"
    "3 What is Mary carrying? \tmilk,football\t1 2\r\n"
)


def stories(folder, data, part="training", count=None):
    return samples(folder, "dnc", EMBEDDED, data, part, count)


def parse(text):
    """A reader of its own: stories as lists of (number, text, answer or None, facts)."""
    result = []
    for line in text.splitlines():
        number, rest = line.split(" ", 1)
        columns = rest.split("\t")
        if number == "1":
            result.append([])
        assert int(number) == len(result[-1]) + 1
        answer = columns[1].split(",") if len(columns) > 1 else None
        facts = [int(i) for i in columns[2].split()] if len(columns) > 2 else []
        result[-1].append((int(number), columns[0].strip(), answer, facts))
    return result


def test_what_is_read_is_written(tmp_path):
    (tmp_path / "qa1_train.txt").write_bytes(STORIES.encode() * 2)
    data = "{problem: questions, path: qa1_train.txt, split: {validation: 0, test: 0}}"
    text = stories(tmp_path, data)
    # In an order drawn for the epoch.
    assert sorted(map(str, parse(text))) == sorted(map(str, parse(STORIES.replace("\r", "") * 2)))


def test_parts_of_files(tmp_path):
    def told(numbers):
        lines = "1 Mary moved to the room{0}.\n2 Where is Mary? \troom{0}\t1\n"
        return "".join(lines.format(n) for n in numbers)

    def parts(path):
        data = f"{{problem: questions, path: {path}, split: {{validation: 0.2, test: 0.25}}}}"
        return [parse(stories(tmp_path, data, p)) for p in ("training", "validation", "test")]

    # Shares of one file; a test file beside it; a folder with both.
    (tmp_path / "qa1_x_train.txt").write_text(told(range(20)))
    alone = parts("qa1_x_train.txt")
    assert [len(p) for p in alone] == [11, 4, 5]
    assert len({str(s) for p in alone for s in p}) == 20
    (tmp_path / "qa1_x_test.txt").write_text(told(range(20, 27)))
    beside = parts("qa1_x_train.txt")
    assert [len(p) for p in beside] == [16, 4, 7]
    assert beside[2] == parse(told(range(20, 27)))
    folder = tmp_path / "en"
    folder.mkdir()
    for file in tmp_path.glob("qa1*"):
        file.rename(folder / file.name)
    assert parts("en") == beside


@pytest.mark.parametrize("text, message", [
    ("Mary moved.\n", ":1: a line begins with its number and a space"),
    ("1 Mary moved.\n3 Where is Mary? \tx\t1\n", ":2: line 3 of a story follows line 1"),
    ("1 Mary moved.\n2 Where is Mary? \t\t1\n", ":2: behind the question's tab stands no answer"),
    ("1 Mary moved.\n2 Where is Mary? \tx\t2\n", ":2: '2' is no line of the story before the question"),
    ("1 Mary moved.\n\n2 \n", ":3: a line begins with its number and a space"),
    ("1 Mary moved.\n", ": there is no question"),
    ("99999999999999999999 Mary moved.\n", ":1: a line begins with its number and a space"),
    ("", ": the file is empty"),
])  # fmt: skip
def test_broken_files_are_named(tmp_path, text, message):
    (tmp_path / "s.txt").write_text(text)
    assert message in refused(tmp_path, "dnc", EMBEDDED, "{problem: questions, path: s.txt}")


MOVE = re.compile(r"^(\w+) (?:moved|went|journeyed|travelled|went back) to the (\w+)\.$")
TAKE = re.compile(r"^(\w+) (?:got|took|grabbed|picked up) the (\w+)(?: there)?\.$")
LEAVE = re.compile(r"^(\w+) (?:dropped|discarded|left|put down) the (\w+)(?: there)?\.$")


def solve(story):
    """The answer to each question and the lines it follows from, by following what happens."""
    people, things = {}, {}
    for number, text, answer, facts in story:
        if m := MOVE.match(text):
            people[m[1]] = (m[2], number)
        elif m := TAKE.match(text):
            things[m[2]] = (m[1], None, [number])
        elif m := LEAVE.match(text):
            assert things[m[2]][0] == m[1], "who leaves a thing had it"
            place, line = people[m[1]]
            things[m[2]] = (None, place, [number, line])
        elif m := re.match(r"^Where is the (\w+)\?$", text):
            holder, place, lines = things[m[1]]
            if holder:
                place, line = people[holder]
                lines = lines + [line]
            yield (answer, facts), ([place], lines)
        else:
            m = re.match(r"^Where is (\w+)\?$", text)
            place, line = people[m[1]]
            yield (answer, facts), ([place], [line])


@pytest.mark.parametrize("task, facts", [("single-supporting-fact", 1), ("two-supporting-facts", 2)])
def test_made_stories_are_true(tmp_path, task, facts):
    data = f"{{problem: questions, task: {task}, questions: [1, 4], statements: [2, 5]}}"
    made = {}
    for part in ("training", "validation", "test"):
        read = parse(stories(tmp_path, data, part, 100))
        assert len(read) == 100
        for story in read:
            answers = list(solve(story))
            assert 1 <= len(answers) <= 4
            for given, wanted in answers:
                assert given == wanted
                assert len(given[1]) == facts
        made[part] = {str(s) for s in read}
    assert not made["training"] & (made["validation"] | made["test"])
    assert not made["validation"] & made["test"]


def test_a_curriculum_begins_small(tmp_path):
    data = "{problem: questions, questions: [1, 6], stories: 64, test_stories: 8, curriculum: 6}"
    for part, wanted in [("training", 1), ("test", 6)]:
        for story in parse(stories(tmp_path, data, part)):
            assert sum(line[2] is not None for line in story) == wanted


def test_a_machine_reads_word_by_word(tmp_path):
    (tmp_path / "s.txt").write_text(STORIES * 8)
    model, weights, said = train(
        tmp_path, "dnc", EMBEDDED, "{problem: questions, path: s.txt}", "--report",
        tmp_path / "r.html",
    )  # fmt: skip
    assert "answers right" in said.splitlines()[1]
    labels = model.metadata("labels").split("\n")
    wanted = sorted({w for w in re.findall(r"\w+|[.?]", STORIES.lower()) if not w.isdigit()} | {"-"})
    assert labels == ["<other>"] + wanted
    session, machine = model.session(), DNC(weights, classes=1, **KEYS)
    for line in STORIES.replace("\r", "").splitlines():
        text, *rest = line.split("\t")
        words = re.findall(r"[a-z]+|[.?]", text.lower())
        for word in words + ["-"] * (len(rest[0].split(",")) if rest else 0):
            token = labels.index(word)
            (y, *_) = session.run(np.array([token], np.int32)).values()
            np.testing.assert_allclose(y[0], machine.step(token), atol=2e-5)
    page = (tmp_path / "r.html").read_text()
    for title in ["Read head 2", "Write head"]:
        assert f"<h2>{title}</h2>" in page
    assert ">mary<" in page


def test_mistakes_are_named(tmp_path):
    for data, message in [
        ("{problem: questions, bits: 4}", "unknown key 'bits' in 'data'"),
        ("{problem: questions, task: three}", "data.task: there is no 'three'"),
        ("{problem: questions, path: x.txt, stories: 4}", "but data.path has them"),
        ("{problem: questions, split: {test: 0.1}}", "made ones need none"),
        ("{problem: questions, path: nowhere.txt}", "nowhere.txt"),
        ("{problem: copy}", "model.embedding: not for the problem 'copy'"),
    ]:
        assert message in refused(tmp_path, "dnc", EMBEDDED, data)
