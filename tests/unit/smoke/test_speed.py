from __future__ import annotations

import pytest

from agent.smoke.speed import FLOORS, judge_speed

H200 = {"matmul_bfloat16_tflops": 780.0, "copy_gbs": 4300.0, "gemv_gbs": 4000.0}


def test_what_was_measured_on_healthy_cards_is_good():
    assert judge_speed(H200, "NVIDIA H200", {}, 15).good
    spark = {"matmul_bfloat16_tflops": 80.0, "copy_gbs": 232.0, "gemv_gbs": 220.0}
    assert judge_speed(spark, "NVIDIA GB10", {}, 15).good
    assert judge_speed({"matmul_bfloat16_tflops": 794.5}, "NVIDIA H100 80GB HBM3", {}, 15).good


@pytest.mark.parametrize(("card", "figures"), [
    ("NVIDIA H200", {**H200, "matmul_bfloat16_tflops": 500.0}),
    ("NVIDIA H200", {**H200, "copy_gbs": 3000.0}),
    ("NVIDIA H200", {**H200, "gemv_gbs": 4300 / 3.3}),
    ("NVIDIA GB10", {"matmul_bfloat16_tflops": 11.0, "copy_gbs": 230.0}),
    ("NVIDIA GeForce RTX 4090", {"copy_gbs": 500.0}),
])
def test_slow_is_seen(card, figures):
    speed = judge_speed(figures, card, {}, 15)
    assert len(speed.low) == 1
    assert not speed.impossible


@pytest.mark.parametrize(("card", "figures"), [
    ("NVIDIA GB10", {"matmul_bfloat16_tflops": 1221.0}), ("NVIDIA H200", {**H200, "copy_gbs": 5200.0}),
])
def test_faster_than_the_data_sheet_is_an_error_of_measurement(card, figures):
    assert judge_speed(figures, card, {}, 15).impossible


def test_an_unknown_or_ambiguous_card_has_no_limits():
    for name in ("NVIDIA Wonder 9", "NVIDIA A100", "NVIDIA L40S"):
        speed = judge_speed({"matmul_bfloat16_tflops": 0.1, "copy_gbs": 1.0}, name, {}, 15)
        assert speed.good
        assert not speed.known


def test_the_first_day_is_the_measure_on_any_card():
    first = {"copy_gbs": 100.0, "h2d_gbs": 20.0}
    assert judge_speed({"copy_gbs": 86.0, "h2d_gbs": 19.0}, "NVIDIA Wonder 9", first, 15).good
    speed = judge_speed({"copy_gbs": 84.0, "h2d_gbs": 10.0}, "NVIDIA Wonder 9", first, 15)
    assert len(speed.fallen) == 2


def test_every_floor_has_a_source_and_a_card():
    from agent.matrix.tables import Matrix

    assert set(FLOORS) <= {row.id for row in Matrix().cards}
    assert all(known.source for known in FLOORS.values())
