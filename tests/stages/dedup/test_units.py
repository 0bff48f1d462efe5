"""What numbers count or measure."""

from __future__ import annotations

import pytest

from gukbap.stages.dedup.units import amounts, counted


@pytest.mark.parametrize(
    ("texts", "unit"),
    [
        ("3명|3 명|3명에게|3 사람이|3명이서", "명"),
        ("10만원|10만 원|10 만 원으로|10만원짜리", "만원"),
        ("20%|20 %|20퍼센트|20 프로를", "%"),
        ("5 km|5km의|5킬로미터|5 킬로미터를", "km"),
        ("3시 반|3시 반에|3시반", "시반"),
        ("5만|5만을", "만"),
        ("7일간|7일 동안|7일", "일"),
        ("3개월|3 달|3개월짜리", "개월"),
        ("1은|1부터|1 알려|1|1 개미|mp3 파일|5men", ""),
    ],
)
def test_forms_of_one_unit(texts: str, unit: str) -> None:
    assert {found for text in texts.split("|") for _, found in amounts(text)} == {unit}


def test_numbers_keep_their_order_and_lose_their_commas() -> None:
    assert amounts("1,200원으로 2.5개와 3조각") == (("1200", "원"), ("2.5", "개"), ("3", "조각"))


def test_unknown_units_are_told_apart_whatever_the_order() -> None:
    assert counted("소금 3꼬집, 설탕 4줌") == (("3", "꼬"), ("4", "줌"))
    assert counted("소금 3꼬집, 설탕 4줌") == counted("설탕 4 줌, 소금 3 꼬집")
    assert counted("1부터 2까지는 3을") == (("1", ""), ("2", ""), ("3", ""))
