#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What bench/run has measured, as a table and as a plot: of one run, or of several, each on its own place.

In the table each way has its median, and in brackets the median of its ratios, round by round, to the first way (of
QEMU's tools: to QEMU's own filter).
"""
import argparse
import json
import subprocess

SHOWN = ("zero", "write", "auto")

# Of the plot, in pixels.
PANEL, LABELS = 240, 260


def number(value):
    """Three digits of it, at least."""
    if value is None:
        return "not here"
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def line(result):
    cells, unit = [], "" if result["unit"] == "per second" else result["unit"]
    for way, value in result["ways"].items():
        ratio = "" if way == result["base"] or value["ratio"] is None else f" ({value['ratio']:.2f})"
        cells.append(f"{way} {number(value['median'])}{ratio}".ljust(19))
    failed = "".join(f"\n    {way} could not be run: {why}" for way, why in result["failures"].items())
    return f"  {result['work']:<47} {' '.join(cells)} {unit}".rstrip() + failed


def heading(report):
    return f"{report['system']}, {report['cpus']} CPUs, medians of {report['rounds']} rounds"


def table(reports):
    """Every place's works, in the order in which they were done."""
    lines = [heading(reports[0])]
    place = None
    for result in (result for report in reports for result in report["results"]):
        if result["place"] != place:
            place = result["place"]
            lines += ["", place]
        lines.append(line(result))
    return "\n".join(lines)


def cell(result, way):
    value = result["ways"].get(way) if result else None
    return f"{value['ratio']:.3f}" if value and value["ratio"] else "NaN"


def plot(path, results):
    """By gnuplot: for each place, how many times plain's each mode's figure is."""
    results = [result for result in results if result["kind"] == "gain" and result["unit"] == "per second"]
    places = list(dict.fromkeys(result["place"] for result in results))
    titles = list(dict.fromkeys(result["work"] for result in results))
    by = {(result["place"], result["work"]): result for result in results}
    height = PANEL * len(places) + LABELS
    script = [f"set terminal svg size {140 + 44 * len(titles)},{height} font 'sans,12' background 'white' noenhanced",
              f"set output '{path}'", "set style data histograms", "set style fill solid 0.8 noborder",
              "set boxwidth 0.9", "set grid y", "set yrange [0:*]", "set ylabel 'times plain'", "set lmargin 10",
              "set rmargin 4", "set xtics rotate by 50 right nomirror", "set multiplot"]
    for number, place in enumerate(places):
        last = place == places[-1]
        rows = [" ".join([f'"{title if last else str()}"', *(cell(by.get((place, title)), way) for way in SHOWN)])
                for title in titles]
        top, bottom = PANEL * number + 40, PANEL * (number + 1) - 15
        script += ["$data << END", *rows, "END", f"set title '{place}' offset 0,-0.5",
                   f"set tmargin at screen {1 - top / height}", f"set bmargin at screen {1 - bottom / height}",
                   "unset key" if number else "set key outside top right horizontal"]
        columns = ", ".join(f"$data using {i + 2}:xtic(1) title '{way}'" for i, way in enumerate(SHOWN))
        script.append(f"plot {columns}, 1 notitle lc rgb 'black'")
    subprocess.run(["gnuplot"], input="\n".join([*script, "unset multiplot", ""]), text=True, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--plot", metavar="FILE.svg", help="needs gnuplot")
    parser.add_argument("reports", metavar="REPORT.json", nargs="+")
    options = parser.parse_args()
    reports = []
    for name in options.reports:
        with open(name) as file:
            reports.append(json.load(file))
    print(table(reports))
    if options.plot:
        plot(options.plot, [result for report in reports for result in report["results"]])


if __name__ == "__main__":
    main()
