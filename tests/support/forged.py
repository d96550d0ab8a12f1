"""Tokens in Alice's name that her clinic did not make for whoever sends them."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization

from tests.support.portal import Key, ec_key, ed_key, rsa_key
from tests.support.signed import ALICE, EVE, Scene, other_portal


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(head: Any, claims: Any, sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    """A token put together without a library's scruples."""
    signed = f"{part(head)}.{part(claims)}"
    return f"{signed}.{part(sign(signed.encode()))}"


def public_pem(key: Key) -> bytes:
    return bytes(
        key.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def unsigned(algorithm: Any) -> Callable[[Scene], str]:
    return lambda scene: by_hand({"alg": algorithm, "typ": "JWT", "kid": "first"}, scene.portal.claims(ALICE))


def keyed_with(secret: Callable[[Key], bytes]) -> Callable[[Scene], str]:
    """HS256 with what is public as the secret."""

    def made(scene: Scene) -> str:
        (key,) = scene.portal.keys
        return by_hand(
            {"alg": "HS256", "typ": "JWT", "kid": key.kid},
            scene.portal.claims(ALICE),
            lambda text: hmac.digest(secret(key), text, "sha256"),
        )

    return made


def claims(**changed: Any) -> Callable[[Scene], str]:
    """A token with a good signature and one claim changed, or left out where it is None."""
    return lambda scene: scene.portal.token(**{"sub": ALICE, **changed})


def times(issued: float, ends: float) -> Callable[[Scene], str]:
    def made(scene: Scene) -> str:
        at = int(scene.clock().timestamp())
        return scene.portal.token(ALICE, iat=at + issued, exp=at + ends)

    return made


def raw_claims(change: Callable[[str], str]) -> Callable[[Scene], str]:
    """A good signature over claims that no library would write."""

    def made(scene: Scene) -> str:
        text = change(json.dumps(scene.portal.claims(ALICE)))
        return jwt.api_jws.encode(text.encode(), scene.portal.keys[0].private, "ES256", {"kid": "first"})

    return made


def stranger(key: Key, **headers: Any) -> Callable[[Scene], str]:
    """Eve's own key, under a name that the clinic uses."""
    return lambda scene: scene.portal.token(ALICE, key=key, headers={"kid": "first", **headers})


def own_key_inside(scene: Scene) -> str:
    mine = ec_key("first")
    return scene.portal.token(ALICE, key=mine, headers={"jwk": mine.jwk()})


def headers(**changed: Any) -> Callable[[Scene], str]:
    return lambda scene: by_hand_signed(scene, {"alg": "ES256", "typ": "JWT", "kid": "first", **changed})


def by_hand_signed(scene: Scene, head: dict[str, Any]) -> str:
    """The clinic's real signature under any header."""
    key = scene.portal.keys[0].private
    algorithm = jwt.get_algorithm_by_name("ES256")
    head = {name: value for name, value in head.items() if value is not None}
    return by_hand(head, scene.portal.claims(ALICE), lambda text: algorithm.sign(text, key))


def mixed(scene: Scene) -> str:
    """Eve's header and signature around Alice's claims."""
    head, _, signature = scene.portal.token(EVE).split(".")
    return f"{head}.{part(scene.portal.claims(ALICE))}.{signature}"


def tampered(place: int) -> Callable[[Scene], str]:
    def made(scene: Scene) -> str:
        parts = scene.portal.token(ALICE).split(".")
        letters = list(parts[place])
        middle = len(letters) // 2
        letters[middle] = "A" if letters[middle] != "A" else "B"
        parts[place] = "".join(letters)
        return ".".join(parts)

    return made


def two_keys(scene: Scene) -> str:
    """Signed with one of the clinic's keys under the name of another."""
    scene.portal.keys.append(ec_key("second"))
    return scene.portal.token(ALICE, headers={"kid": "first"})


def of_other_clinic(scene: Scene) -> str:
    return other_portal(scene.portal).token(ALICE)


def other_clinic_as_ours(scene: Scene) -> str:
    theirs = other_portal(scene.portal)
    return scene.portal.token(ALICE, key=theirs.keys[0])


def without(name: str) -> Callable[[Scene], str]:
    def made(scene: Scene) -> str:
        claims = scene.portal.claims(ALICE)
        del claims[name]
        return jwt.encode(claims, scene.portal.keys[0].private, "ES256", {"kid": "first"})

    return made


FORGED: dict[str, Callable[[Scene], Any]] = {
    "alg-none": unsigned("none"),
    "alg-None": unsigned("None"),
    "alg-NONE": unsigned("NONE"),
    "alg-nOnE": unsigned("nOnE"),
    "alg-empty": unsigned(""),
    "alg-missing": headers(alg=None),
    "alg-a-list": unsigned(["ES256"]),
    "alg-other-case": headers(alg="es256"),
    "signature-cut-off": lambda scene: scene.portal.token(ALICE).rpartition(".")[0] + ".",
    "no-signature-part": lambda scene: scene.portal.token(ALICE).rpartition(".")[0],
    "signature-of-zeros": lambda scene: scene.portal.token(ALICE).rpartition(".")[0] + "." + part(bytes(64)),
    "hs256-with-public-pem": keyed_with(public_pem),
    "hs256-with-public-jwk": keyed_with(lambda key: json.dumps(key.jwk()).encode()),
    "hs256-with-nothing": keyed_with(lambda key: b""),
    "rs256-not-used-here": stranger(rsa_key("first")),
    "eddsa-not-used-here": stranger(ed_key("first")),
    "wrong-key": stranger(ec_key("first")),
    "wrong-key-id": headers(kid="nobody"),
    "no-key-id": headers(kid=None),
    "key-id-empty": headers(kid=""),
    "key-id-a-number": headers(kid=1),
    "key-id-a-path": headers(kid="../../../../dev/null"),
    "key-id-a-statement": headers(kid="first' OR '1'='1"),
    "key-of-another-id": two_keys,
    "tampered-header": tampered(0),
    "tampered-claims": tampered(1),
    "tampered-signature": tampered(2),
    "claims-of-another": mixed,
    "expired": times(-400, -100),
    "expired-by-leeway": times(-330, -30),
    "ends-too-far-away": times(0, 3600),
    "ends-too-far-for-its-age": times(-290, 30),
    "ends-before-it-begins": times(10, 5),
    "from-the-future": times(60, 300),
    "from-the-far-future": times(10**9, 10**9 + 300),
    "not-yet": lambda scene: scene.portal.token(ALICE, nbf=int(scene.clock().timestamp()) + 120),
    **{f"no-{name}": without(name) for name in ("exp", "iat", "sub", "aud", "iss", "jti")},
    **{
        f"null-{name}": raw_claims(lambda text, name=name: json.dumps({**json.loads(text), name: None}))
        for name in ("exp", "iat", "sub", "aud", "iss", "jti")
    },
    "exp-as-text": raw_claims(lambda text: json.dumps({**json.loads(text), "exp": "9999999999"})),
    "exp-true": raw_claims(lambda text: json.dumps({**json.loads(text), "exp": True})),
    "exp-endless": raw_claims(lambda text: json.dumps({**json.loads(text), "exp": float("inf")})),
    "exp-no-number": raw_claims(lambda text: json.dumps({**json.loads(text), "exp": float("nan")})),
    "exp-huge": raw_claims(lambda text: json.dumps({**json.loads(text), "exp": 10**400})),
    "iat-negative": raw_claims(lambda text: json.dumps({**json.loads(text), "iat": -1})),
    "wrong-aud": claims(aud="another-product"),
    "aud-longer": claims(aud="pne-tutor-open"),
    "aud-other-case": claims(aud="PNE-Tutor"),
    "aud-a-list-of-ours": claims(aud=["pne-tutor"]),
    "aud-ours-and-others": claims(aud=["pne-tutor", "another-product"]),
    "aud-an-object": claims(aud={"pne-tutor": True}),
    "wrong-iss": claims(iss="https://evil.example"),
    "iss-with-slash": claims(iss="https://portal.example/"),
    "iss-a-list": raw_claims(lambda text: json.dumps({**json.loads(text), "iss": ["https://portal.example"]})),
    "other-clinic": of_other_clinic,
    "other-clinics-key": other_clinic_as_ours,
    "sub-empty": claims(sub=""),
    "sub-blank": claims(sub="   "),
    "sub-too-long": claims(sub="x" * 201),
    "sub-with-nul": claims(sub=f"{ALICE}\0"),
    "sub-with-lone-surrogate": claims(sub=f"{ALICE}\ud800"),
    "sub-a-number": raw_claims(lambda text: json.dumps({**json.loads(text), "sub": 7})),
    "sub-an-object": raw_claims(lambda text: json.dumps({**json.loads(text), "sub": {"is": ALICE}})),
    "jti-a-number": raw_claims(lambda text: json.dumps({**json.loads(text), "jti": 7})),
    "jti-too-long": claims(jti="x" * 201),
    "name-too-long": claims(name="x" * 201),
    "name-an-object": claims(name={"first": "Eve"}),
    "locale-no-locale": claims(locale="<script>"),
    "claims-a-list": raw_claims(lambda text: "[]"),
    "claims-no-json": raw_claims(lambda text: "{"),
    "claims-deep": raw_claims(lambda text: "[" * 3000),
    "header-jwk": own_key_inside,
    "header-jku": stranger(ec_key("first"), jku="https://evil.example/keys"),
    "header-x5u": stranger(ec_key("first"), x5u="https://evil.example/cert"),
    "header-x5c": stranger(ec_key("first"), x5c=["AAAA"]),
    "header-crit": headers(crit=["exp"], exp=1),
    "header-crit-b64": headers(crit=["b64"], b64=True),
    "header-crit-empty": headers(crit=[]),
    "header-b64": headers(b64=False),
    "header-other-type": headers(typ="at+jwt"),
    "huge": claims(note="x" * 9_000),
    "two-tokens": lambda scene: f"{scene.portal.token(ALICE)},{scene.portal.token(ALICE)}",
    "white-space": lambda scene: f" {scene.portal.token(ALICE)}\n",
    "five-parts": lambda scene: f"{scene.portal.token(ALICE)}.AAAA.AAAA",
    "not-ascii": lambda scene: scene.portal.token(ALICE) + "é",
    "empty": lambda scene: "",
    "dots": lambda scene: "..",
    "words": lambda scene: "let me in",
    "a-number": lambda scene: 7,
    "true": lambda scene: True,
    "false": lambda scene: False,
    "a-list": lambda scene: [scene.portal.token(ALICE)],
    "an-object": lambda scene: {"token": scene.portal.token(ALICE)},
    "alices-session": lambda scene: scene.alice.token,
}
