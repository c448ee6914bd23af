"""What a training run of the transformer can be told, each thing once, with its reason."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from model_export.training.processor import multiplies_bfloat16


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Recipe(_Settings):
    """What decides the weights, with the data. A run keeps it from its first step to its last."""

    d_model: PositiveInt = Field(default=256, description="width of embeddings and layers")
    encoder_layers: PositiveInt = Field(default=6, description="layers that read the source")
    decoder_layers: PositiveInt = Field(
        default=2, description="layers run for every token written; few make a fast model"
    )
    heads: PositiveInt = Field(default=8, description="attention heads; they divide the width")
    feed_forward: PositiveInt = Field(default=1024, description="inner width of feed-forward parts")
    vocabulary: PositiveInt = Field(
        default=8000, description="pieces of the joint vocabulary; every one costs in each step"
    )
    max_positions: PositiveInt = Field(default=512, description="tokens of the longest sentence")
    max_training_tokens: PositiveInt = Field(
        default=100, description="pairs with a longer side are left out; padding costs too much"
    )
    dropout: NonNegativeFloat = Field(
        default=0.0, lt=1, description="not needed while data is seen fewer than ten times"
    )
    label_smoothing: NonNegativeFloat = Field(
        default=0.1, lt=1, description="share of each target spread over all tokens"
    )
    batch_tokens: PositiveInt = Field(
        default=2500, description="padded tokens of the longer side in a step; few pay early"
    )
    threads: PositiveInt = Field(
        default=2, description="parts of a step, each computed by a thread of its own"
    )
    precision: str = Field(
        default_factory=lambda: "bf16" if multiplies_bfloat16() else "fp32",
        pattern="^(fp32|bf16)$",
        description="of the factors of products; weights, sums and norms are fp32; bf16 where the "
        "processor multiplies it, else fp32",
    )
    learning_rate: float = Field(default=1e-3, gt=0, description="the highest")
    warm_up: PositiveInt = Field(default=1000, description="steps until it is reached")
    hold: NonNegativeInt = Field(
        default=0, description="step after which it falls as 1/sqrt(step); at least warm_up"
    )
    decay_share: NonNegativeFloat = Field(
        default=1 / 3, le=1, description="last part of the budget, in which it goes on to zero"
    )
    weight_decay: NonNegativeFloat = Field(default=0.01, description="AdamW's")
    clip: float = Field(default=1.0, gt=0, description="longest gradient, as a norm")
    average: float = Field(
        default=0.999, ge=0, lt=1, description="weight of the past in the average that is saved"
    )
    seed: NonNegativeInt = Field(default=1, description="of weights, sampling and order")


class Budget(_Settings):
    """How long to train and how often to look. May change whenever a run goes on."""

    steps: PositiveInt | None = Field(default=None, description="train until this step")
    hours: float | None = Field(
        default=None, gt=0, description="train so long, all sessions of the run together"
    )
    log_steps: PositiveInt = Field(default=50, description="steps between lines of the journal")
    save_minutes: NonNegativeFloat = Field(default=10, description="between checkpoints")
    measure_minutes: NonNegativeFloat = Field(
        default=30, description="between measurements on the development sets"
    )
