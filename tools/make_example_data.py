#!/usr/bin/env python3
"""Writes examples/data/wordnet.jsonl: glosses of common WordNet 3.0 senses.

    tools/make_example_data.py [WORDNET_DIR] > examples/data/wordnet.jsonl

WORDNET_DIR holds the database files of Debian's package wordnet-base. The
selection is deterministic: per part of speech and lexicographer file, the
senses with the most tagged uses, then with the most relations to others, so
that the words are ones people know; names and biological classes are left out. Only the gloss becomes text, never the word, so a search shows that
meaning is found and not spelling.
"""
import collections
import json
import pathlib
import re
import sys

# Lexicographer file number -> (name, senses to take); lexnames(5WN).
QUOTAS = {
    4: ("act", 170), 5: ("animal", 420), 6: ("artifact", 560),
    8: ("body", 120), 10: ("communication", 120), 11: ("event", 90),
    12: ("feeling", 110), 13: ("food", 240), 15: ("location", 90),
    17: ("object", 130), 18: ("person", 280), 19: ("phenomenon", 100),
    20: ("plant", 150), 27: ("substance", 110), 28: ("time", 80),
    30: ("change", 60), 31: ("cognition", 50), 32: ("communication", 60),
    35: ("contact", 70), 36: ("creation", 50), 37: ("emotion", 60),
    38: ("motion", 90), 39: ("perception", 40), 40: ("possession", 40),
    43: ("weather", 20), 0: ("all", 150), 2: ("all", 60),
}
PARTS = {"n": ("noun", "1"), "v": ("verb", "2"), "a": ("adj", "3"),
         "s": ("adj", "5"), "r": ("adv", "4")}
CLASSES = r"(an? |the |type |the type )?(genus|family|order|class|phylum|suborder)\b"
Sense = collections.namedtuple("Sense",
                               "id pos domain uses relations words gloss")


def tagged_uses(folder):
    """(lemma, part digit, file number, lexical id) -> uses in tagged texts."""
    uses = collections.Counter()
    for line in (folder / "cntlist.rev").read_text("ascii").splitlines():
        key, _, count = line.split()
        lemma, rest = key.split("%")
        part, file_number, lexical_id = rest.split(":")[:3]
        uses[lemma, part, int(file_number), int(lexical_id)] += int(count)
    return uses


def sense_numbers(folder, part):
    """(lemma, offset of its synset) -> number of the sense, from 1."""
    numbers = {}
    for line in (folder / f"index.{part}").read_text("ascii").splitlines():
        if line.startswith(" "):
            continue  # The licence.
        fields = line.split()
        count = int(fields[2])
        for number, offset in enumerate(fields[-count:], 1):
            numbers[fields[0], offset] = number
    return numbers


def first_definition(gloss):
    """The gloss without its quoted examples."""
    return re.split(r'[;:]?\s*"', gloss, maxsplit=1)[0].strip(" ;:")


def senses(folder, part, uses):
    numbers = sense_numbers(folder, part)
    for line in (folder / f"data.{part}").read_text("ascii").splitlines():
        if line.startswith(" "):
            continue
        data, gloss = line.split("|", 1)
        fields = data.split()
        offset, file_number, kind = fields[0], int(fields[1]), fields[2]
        if file_number not in QUOTAS:
            continue
        name, digit = PARTS[kind]
        words, total = [], 0
        for i in range(int(fields[3], 16)):
            word = re.sub(r"\(.*\)$", "", fields[4 + 2 * i])
            lexical_id = int(fields[5 + 2 * i], 16)
            total += uses[word.lower(), digit, file_number, lexical_id]
            words.append(word)
        number = numbers[words[0].lower(), offset]
        text = first_definition(gloss)
        if not 20 <= len(text) <= 240:
            continue
        if not words[0].islower() or re.match(CLASSES, text):
            continue
        relations = int(fields[4 + 2 * int(fields[3], 16)])
        yield Sense(f"{words[0]}.{name}.{number}", name,
                    QUOTAS[file_number][0], total, relations,
                    [w.replace("_", " ") for w in words[:6]], text), file_number


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                          else "/usr/share/wordnet")
    uses = tagged_uses(folder)
    by_file = collections.defaultdict(list)
    for part in ("noun", "verb", "adj", "adv"):
        for sense, file_number in senses(folder, part, uses):
            by_file[file_number].append(sense)
    chosen = []
    for file_number, (_, quota) in QUOTAS.items():
        ranked = sorted(by_file[file_number],
                        key=lambda s: (-s.uses, -s.relations, s.id))
        chosen += ranked[:quota]
    for sense in sorted(chosen, key=lambda s: s.id):
        print(json.dumps({
            "id": sense.id, "text": sense.gloss,
            "metadata": {"pos": sense.pos, "domain": sense.domain,
                         "uses": sense.uses, "words": sense.words},
        }, ensure_ascii=True))


if __name__ == "__main__":
    main()
