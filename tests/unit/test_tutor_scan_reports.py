"""Whole reports: harmless ones are explained, serious ones of every kind lock."""

# ruff: noqa: E501

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.content.library import load_library
from bot.tutor import scan
from bot.tutor.journal import Journal
from bot.tutor.saying import Moment
from bot.tutor.scan_words import load_lexicon, read, serious_key

HERE = Moment(datetime(2026, 11, 23, 3, 0, tzinfo=timezone.utc), Journal(()))
LIBRARY = load_library()
LEAST_EXPLAINED = 0.8
HARMLESS = (
    "MRI lumbar spine. Technique: Sagittal T1 and T2, axial T2. Findings: Normal alignment. Disc desiccation at L4/5 and"
    " L5/S1. Mild broad-based disc bulge at L4/5 without nerve root compression. The conus is normal in position and"
    " signal. Impression: Mild degenerative changes.",
    "MRI LUMBAR SPINE\nClinical history: low back pain and left leg pain.\nComparison: None.\nFindings:\nL3/4: Normal.\n"
    "L4/5: Mild disc bulge and facet arthropathy. No significant canal stenosis.\n"
    "L5/S1: Small left paracentral disc protrusion contacting the left S1 nerve root.\nConclusion: Degenerative changes.",
    "Lumbar spine X-ray: Vertebral body heights are maintained. Disc space narrowing at L5/S1. No fracture.",
    "There is multilevel spondylosis with small osteophytes. Normal lumbar lordosis. No suspicious bone lesion.",
    "My report says L5/S1 annular fissure and disc bulge. What does this mean?",
    "At L4/5 there is moderate facet joint hypertrophy and ligamentum flavum thickening with mild foraminal narrowing.",
    "L5-S1: disc height loss, type 2 Modic changes, mild bilateral foraminal stenosis.",
    "Grade 1 anterolisthesis of L4 on L5. No pars defect. Mild scoliosis convex to the left.",
    "The paraspinal soft tissues are unremarkable. Schmorl's node at L1. The remaining discs are normal.",
    "Findings: The vertebral bodies are normal in height and alignment. Marrow signal is normal. Disc degeneration at"
    " L3/4, L4/5 and L5/S1. No evidence of fracture.",
    "MRI cervical spine: Straightening of the cervical lordosis. C5/6: mild disc bulge, uncovertebral hypertrophy, mild"
    " right foraminal stenosis. Cord signal is normal.",
    "Cervical spine. Sagittal and axial T2 images. C4/5 and C5/6 disc desiccation with small posterior osteophytes. No"
    " cord compression. Craniocervical junction is normal.",
    "C6/7: Small central disc protrusion without cord compression. Facet joints are normal.",
    "X-ray neck: loss of normal curvature and mild spondylosis at C5/6. Prevertebral soft tissues are normal.",
    "MRI right knee: Horizontal cleavage tear of the posterior horn of the medial meniscus. Small joint effusion. ACL and"
    " PCL are intact. No fracture.",
    "MRI left knee. Findings: Medial meniscus tear. Lateral meniscus is normal. Collateral ligaments are intact. Mild"
    " chondromalacia patella. Small Baker's cyst.",
    "X-ray of the right knee, weight bearing views: mild medial joint space narrowing with marginal osteophytes.",
    "Knee: moderate osteoarthritis of the patellofemoral joint. Patellar tendon and quadriceps tendon are normal. No loose"
    " body.",
    "The cruciate ligaments are intact. Cartilage thinning of the medial compartment, small effusion.",
    "Ultrasound left shoulder: Supraspinatus tendinosis with subacromial bursitis. Biceps tendon is normal in position.",
    "MRI shoulder: Partial thickness tear of the supraspinatus tendon. Mild AC joint osteoarthritis. The glenoid labrum is"
    " intact.",
    "Right shoulder MRI without contrast. Full thickness tear of supraspinatus measuring 8 mm. Subscapularis is intact. No"
    " muscle atrophy.",
    "Shoulder x ray: calcific tendinitis. The glenohumeral joint is preserved. No fracture or dislocation.",
    "Impression: 1. Mild degenerative disc disease at L4/5. 2. No spinal stenosis. 3. Facet arthrosis at L5/S1.",
    "The doctor wrote lumbar spondylosis and disc dehydration on my MRI. I am worried about it.",
    "Broad based disc bulge at L4/5 indenting the thecal sac. Mild bilateral lateral recess narrowing.",
    "MRI of the right hip: anterior labral tear, cam morphology, mild gluteal tendinopathy. No avascular necrosis.",
    "Foot x-ray: small plantar calcaneal spur. Joint spaces are preserved.",
    "Incidental note is made of a haemangioma in L2. Otherwise unremarkable lumbar spine.",
    "L4/5: disc bulge with superimposed left paracentral protrusion, mild narrowing of the left lateral recess.",
)
BESIDE = (
    "5.2 cm dilatation of the abdominal aorta", "sclerotic deposit in L4", "liver deposits", "known breast ca",
    "oedema of the L3 vertebral body with loss of height", "loss of height L1. Acute", "bilateral sacral ala oedema",
    "stress reaction", "osteolysis around the screw", "loosening", "meningeal thickening",
    "enhancement of the epidural space", "unstable", "ligament rupture with instability", "odontoid peg displaced",
    "Pancoast", "slipped upper femoral epiphysis", "bladder distended", "Conus medullaris compressed",
    "Conus low lying at L4", "Thickened filum", "Crowding of the nerve roots", "The nerve roots are clumped",
    "Empty thecal sac sign", "Large central extrusion filling the canal", "Severe canal stenosis with no CSF",
    "Complete block at L4/5", "Redundant nerve roots", "Paraspinal gas", "Endplate destruction", "Psoas swelling",
    "Fluid bright disc with endplate irregularity and paraspinal oedema", "Bone marrow oedema at L3",
    "Marrow signal change in T12", "High signal in L2 on STIR", "Low T1 signal throughout the marrow",
    "Patchy marrow", "Moth-eaten appearance", "Permeative change", "Periosteal reaction", "Soft tissue component",
    "Missing pedicle", "The L3 pedicle is not seen", "Pedicle absent", "Vertebra plana", "Height reduced at L1 by 40%",
    "Anterior height reduced", "Posterior wall bowing", "Retropulsion", "Widened interspinous distance",
    "Facet joints perched", "Jumped facet", "Atlantoaxial gap 6 mm", "Basilar invagination", "Cerebellar tonsils low",
    "Kidney enlarged", "Renal dilatation", "Uterus bulky", "Ovarian cyst 6 cm", "Prostate enlarged", "Shadow in the lung",
    "Opacity at the apex", "Aorta measures 6 cm", "Vessel wall irregular", "Vertebral artery flow void absent",
    "Filling defect", "Joint hot and swollen with debris", "Gas in the joint", "Subchondral crescent sign",
    "Femoral head flattening", "Femoral neck oedema", "Tension sided cortical thickening", "Implant migrated",
    "Halo around the cement", "Pseudotumour", "Rod broken", "Quadriceps tendon not intact", "Patella dislocated",
    "Alignment not maintained", "Bright corners", "Squaring of the vertebrae", "Joint fusion", "Erosive change",
    "Sclerotic change in the L3 vertebral body", "Fat stranding", "Ascites", "Enlarging", "Progressive", "Refer to haematology", "Recommend PET",
    "Discussed with the team",
    "Опухоль", "New paresis", "Sudden onset weakness", "Numb saddle", "Weight loss", "Trauma", "IV drug use",
)  # fmt: skip
CONTRAST = (
    "No cord compression on the left but on the right.", "No fracture at L1 and L2 but at L3.",
    "No cauda equina compression at L3/4 but at L4/5.", "No spinal cord compression at C4, at C5 there is.",
    "No fracture at L1, on the right there is.", "No fracture at L1 however at L3.", "No fracture at L1 except at L3.",
    "No fracture apart from L3.", "No fracture other than at L3.", "No fracture at L1 although at L3.",
    "No fracture until L3.", "No cord compression on the left (on the right).", "No fracture at L1 - at L3 there is.",
    "No fracture at L1: at L3.", "No cord compression at C4. At C5 there is.", "No cord compression at C4. At C5 yes.",
    "No cord compression at C4. Present at C5 with disc bulge.", "No fracture at L1, L3.", "No lesion in L1; in L3.",
    "No cord compression at C4, disc bulge at C5 where there is.", "No fracture on the left, right side only.",
    "Cord compression is not seen at C4 but at C5.", "Fracture: none at L1, at L3.", "No fracture at L1 while at L2.",
    "Fracture is not seen on the left, on the right.", "No fracture at L1 only at L3.", "Fracture: none. At L3.",
    "The cord is normal at C4 but at C5.", "The cord is normal at C4, at C5 is abnormal.",
    "No cord compression at C4, disc bulge is at C5 and is present.", "No fracture at L1 / at L2 there is.",
    "No cord compression at C4. There is at C5.", "No cord compression at C4. There is with disc bulge at C5.",
)  # fmt: skip
FRAMES = (
    "Disc bulge L4/5. {s}.", "{s}. Lumbar disc bulge at L4/5.", "Mild facet arthropathy and {s}", "L4/5 disc bulge\n{s}\n",
)  # fmt: skip
PLAIN = [word.says[0] for key, word in LIBRARY.words.items() if serious_key(key) is None and len(word.regions) < 6]


def outcome_of(text: str) -> scan.Outcome | None:
    return scan.words(HERE, "report", text)


def is_locked(text: str) -> bool:
    outcome = outcome_of(text)
    return outcome is not None and all(
        say.id.startswith("scan/locked") and "picture" not in say.more for say in outcome.says
    )


def is_explained(text: str) -> bool:
    return read(text).serious is None and bool(read(text).words)


def test_most_harmless_reports_are_still_explained() -> None:
    locked = [text for text in HARMLESS if not is_explained(text)]
    assert len(locked) <= (1 - LEAST_EXPLAINED) * len(HARMLESS), locked


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("finding", BESIDE)
def test_a_serious_finding_beside_a_known_word_locks(frame: str, finding: str) -> None:
    assert is_locked(frame.format(s=finding))


@pytest.mark.parametrize("frame", ("{s}", "Disc bulge at L4/5. {s}", "{s} Mild facet arthropathy at L4/5."))
@pytest.mark.parametrize("sentence", CONTRAST)
def test_a_denial_that_is_taken_back_in_the_sentence_locks(frame: str, sentence: str) -> None:
    assert is_locked(frame.format(s=sentence))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(BESIDE + CONTRAST), st.sampled_from(HARMLESS), st.sampled_from([" ", "\n", ". "]), st.booleans(),
    st.booleans(),
)  # fmt: skip
def test_a_serious_part_locks_any_harmless_report(part: str, report: str, joint: str, first: bool, shout: bool) -> None:
    text = f"{part}{joint}{report}" if first else f"{report}{joint}{part}"
    assert is_locked(text.upper() if shout else text), text


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PLAIN), st.text("bcdfghjklmnpqrstvwxz", min_size=6, max_size=12), st.sampled_from(FRAMES))
def test_any_word_that_we_do_not_know_locks(neighbour: str, odd: str, frame: str) -> None:
    found = read(f"{neighbour}. {frame.format(s=odd)}").serious
    assert found is not None and found.when in ("today", "now")


@pytest.mark.parametrize("text", ["No fracture.", "No cord compression or fracture. Disc bulge at L4/5.", *HARMLESS])
def test_serious_words_are_never_told_as_not_seen(text: str) -> None:
    lexicon = load_lexicon()
    for phrase in read(text).absent:
        grave = {" ".join(words) for options in lexicon.serious.values() for words, _ in options}
        assert phrase not in grave, phrase
        assert not any(token.startswith(start) for token in phrase.split() for start, _ in lexicon.starts), phrase


def test_an_unknown_word_is_told_kindly_and_with_its_own_group() -> None:
    outcome = outcome_of("Disc bulge L4/5. Pancoast.")
    assert outcome and [say.id for say in outcome.says] == ["scan/locked_unread"]
    assert [(one.kind, one.key, one.value) for one in outcome.notes] == [(scan.LOCK, "unread", "today")]


@pytest.mark.parametrize("text", ["hello", "what is a scan?", "my knee hurts", "why does my back still hurt?"])
def test_a_remark_that_is_no_report_goes_to_the_assistant(text: str) -> None:
    assert outcome_of(text) is None
