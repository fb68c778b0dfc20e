"""Of a report by compliance-checker: every finding has to be one that is explained here."""
import json
import re
import sys

# Why a finding stands. ACDD describes observations of the Earth and who publishes them; a profile of
# a model has no place and no time, and laminar cannot know its user's name or licence.
EXPLAINED = {
    r"geospatial|time_coverage|lat_extents|lon_extents|vertical": "a model lies nowhere on the Earth",
    r"creator|publisher|institution|project|license|acknowledg|naming_authority|^id not|comment|"
    r"processing_level|program|contributor|references|product_version|date_issued|date_modified|"
    r"date_metadata_modified|metadata_link|instrument|platform|keywords_vocabulary|cdm_data_type":
        "what only the user can say: ncatted adds it",
    r"standard_name|coverage_content_type": "no standard name exists for such measures",
}


def findings(report):
    for checker, result in report.items():
        if not isinstance(result, dict):
            continue
        for level in "high_priorities", "medium_priorities", "low_priorities":
            for finding in result.get(level, []):
                for message in finding.get("msgs", []):
                    yield checker, finding["name"], message


unexplained, seen, counted = [], 0, {}
for path, report in json.load(open(sys.argv[1])).items():
    for checker, name, message in findings(report):
        seen += 1
        why = next((why for pattern, why in EXPLAINED.items()
                    if re.search(pattern, message) or re.search(pattern, name)), None)
        if why is None:
            unexplained.append(f"{path}: {checker}: {name}: {message}")
        else:
            counted[why] = counted.get(why, 0) + 1
for why, count in counted.items():
    print(f"{count} findings: {why}")
print(*unexplained, sep="\n")
print(f"{seen} findings, {len(unexplained)} unexplained")
sys.exit(bool(unexplained) or not seen)
