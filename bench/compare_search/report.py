"""Tables, targets and plots of a comparison."""

import math
import os


def table(name, result):
    lines = [f"{name}: {result['vectors']:,} x {result['dim']}, k = 10, "
             "one thread, microseconds per query", "",
             "| engine | recall@10 | p50 us | p95 us | empty call us | "
             "bytes per vector | build s |",
             "|---|---|---|---|---|---|---|"]
    for row in sorted(result["rows"], key=lambda row: row["p50_us"]):
        lines.append(
            f"| {row['name']} | {row['recall']:.4f} | {row['p50_us']:.1f} | "
            f"{row['p95_us']:.1f} | {row['empty_us']:.1f} | "
            f"{row['bytes']:.0f} | {row['build_s']:.1f} |")
    return "\n".join(lines) + "\n"


def best(rows, part, recall):
    """The fastest row whose name starts with `part` and that finds enough."""
    found = [row for row in rows
             if row["name"].startswith(part) and row["recall"] >= recall and
             "filter" not in row["name"] and "batch" not in row["name"]]
    return min(found, key=lambda row: row["p50_us"], default=None)


def targets(name, rows):
    """The figures to reach, each as a ratio of medians."""
    by_name = {row["name"]: row for row in rows}
    lines = ["| target | ratio | wanted | |", "|---|---|---|---|"]

    def line(what, ours, theirs, most, enough=True):
        if ours is None or theirs is None:
            return
        ratio = ours["p50_us"] / theirs["p50_us"]
        good = ratio <= most and enough
        lines.append(f"| {what}: {ours['name']} / {theirs['name']} | "
                     f"{ratio:.2f} | <= {most} | {'met' if good else 'MISSED'}"
                     f"{'' if enough else ' (recall)'} |")

    two, four = by_name.get("turbovec 2 bits"), by_name.get("turbovec 4 bits")
    for bits, theirs in ((4, four), (2, two)):
        ours = by_name.get(f"corkscrew {bits} bits")
        if ours and theirs:
            line("codes alone", ours, theirs, 0.7,
                 ours["recall"] >= theirs["recall"] - 0.002)
    wide = name.endswith("1536")
    large = name.endswith("1m")
    recall, most = ((0.995, 0.5) if wide else (0.98, 0.7) if large
                    else (0.995, 0.45))
    line(f"recall {recall} with rescoring",
         best(rows, "corkscrew 2 bits + rescore", recall),
         by_name.get("turbovec 2 bits + rescore 40"), most)
    line("recall .99, best setting", best(rows, "corkscrew", 0.99),
         by_name.get("faiss PQ96x4fs + rescore 100"), 0.6)
    line("exact", by_name.get("corkscrew exact"),
         by_name.get("usearch exact f32"), 0.7)
    plain = by_name.get("corkscrew 2 bits + rescore 40")
    line("batches of 64",
         by_name.get("corkscrew 2 bits + rescore 40, batches of 64"), plain,
         0.4)
    for part in ("1 %", "50 %"):
        line("filtered",
             by_name.get(f"corkscrew 2 bits + rescore 40, filter {part}"),
             plain, 1.2)
    if name.endswith("10k"):
        ours = best(rows, "corkscrew 2 bits + rescore", 0.99)
        if ours:
            good = ours["p50_us"] <= 25
            lines.append(f"| whole call at 10k: {ours['name']} | "
                         f"{ours['p50_us']:.1f} us | <= 25 us | "
                         f"{'met' if good else 'MISSED'} |")
    return "\n".join(lines) + "\n"


def plot(name, rows):
    """An SVG of recall against time; up and left is better."""
    width, height, left, bottom, top = 760, 460, 70, 50, 40
    rows = [row for row in rows if "filter" not in row["name"]]
    times = [max(row["p50_us"], 1) for row in rows]
    low = math.floor(math.log10(min(times)))
    high = math.ceil(math.log10(max(times)) + 1e-9)
    floor = min(0.9, min(row["recall"] for row in rows) - 0.02)

    def x(time):
        part = (math.log10(max(time, 1)) - low) / max(high - low, 1)
        return left + part * (width - left - 200)

    def y(recall):
        part = (recall - floor) / (1.0 - floor)
        return height - bottom - part * (height - bottom - top)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} '
           f'{height}" font-family="sans-serif" font-size="11">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="{left}" y="20" font-size="14">{name}: recall@10 against '
           'microseconds per query, one thread</text>']
    for power in range(low, high + 1):
        at = x(10 ** power)
        out.append(f'<line x1="{at:.1f}" y1="{top}" x2="{at:.1f}" '
                   f'y2="{height - bottom}" stroke="#ddd"/>'
                   f'<text x="{at:.1f}" y="{height - bottom + 16}" '
                   f'text-anchor="middle">{10 ** power:,}</text>')
    for step in range(6):
        recall = floor + (1 - floor) * step / 5
        at = y(recall)
        out.append(f'<line x1="{left}" y1="{at:.1f}" x2="{width - 200}" '
                   f'y2="{at:.1f}" stroke="#ddd"/><text x="{left - 8}" '
                   f'y="{at + 4:.1f}" text-anchor="end">{recall:.3f}</text>')
    for row in rows:
        ours = row["name"].startswith("corkscrew")
        at_x, at_y = x(row["p50_us"]), y(row["recall"])
        colour = "#c2410c" if ours else "#475569"
        out.append(f'<circle cx="{at_x:.1f}" cy="{at_y:.1f}" r="4" '
                   f'fill="{colour}"/><text x="{at_x + 7:.1f}" '
                   f'y="{at_y + 4:.1f}" fill="{colour}">{row["name"]}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"


def write_docs(results, directory):
    text = ["# Search compared", "",
            "For whoever chooses an engine, or doubts a claim. Written by "
            "`bench/compare --write-docs`; how it measures is said there "
            "(`bench/compare --help`). Compare figures of one table only: "
            "machines differ.", ""]
    for name, result in results.items():
        file_name = f"search_comparison_{name.split('.')[0]}.svg"
        with open(os.path.join(directory, file_name), "w") as file:
            file.write(plot(name, result["rows"]))
        text += [f"## {name}", "", f"![recall against time]({file_name})", "",
                 table(name, result), targets(name, result["rows"])]
    with open(os.path.join(directory, "search_comparison.md"), "w") as file:
        file.write("\n".join(text))
