"""What a run of the LSTM recipe can be told, each thing once, with its reason."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)


class LstmRecipe(BaseModel):
    """What decides the weights, with the data. A run keeps it from its first step to its last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Literal["lstm", "gru"] = Field(
        default="lstm", description="lstm, or gru, which has three gates instead of four"
    )
    attention: Literal["additive", "dot"] = Field(
        default="additive", description="additive (Bahdanau 2014) or dot (Luong 2015)"
    )
    attend_after: Literal["first", "last"] = Field(
        default="last",
        description="decoder layer that asks the attention; layers above it see the answer",
    )
    layers: PositiveInt = Field(default=1, description="of the encoder, and of the decoder")
    units: PositiveInt = Field(
        default=512, multiple_of=2, description="of a decoder layer; an encoder direction has half"
    )
    embedding: PositiveInt = Field(default=256, description="width of a token's vector")
    dropout: NonNegativeFloat = Field(
        default=0.2, lt=1, description="share of values left out in training, between layers"
    )
    vocabulary: Literal["subword", "word"] = Field(
        default="subword", description="subword (BPE) or word; one for each language"
    )
    vocabulary_size: int = Field(default=8000, ge=8, description="most tokens of a language")
    max_training_tokens: PositiveInt = Field(
        default=60, description="pairs with a longer side are left out"
    )
    epochs: float = Field(default=12.0, gt=0, description="times that the data is seen")
    batch_tokens: PositiveInt = Field(
        default=2000, description="padded tokens of the longer side in a step"
    )
    learning_rate: float = Field(
        default=1e-3, gt=0, description="the highest; from there a cosine down to a hundredth"
    )
    warm_up: NonNegativeInt = Field(default=300, description="steps until it is reached")
    clip: float = Field(default=1.0, gt=0, description="longest gradient, as a norm")
    label_smoothing: NonNegativeFloat = Field(
        default=0.1, lt=1, description="share of each target spread over all tokens"
    )
    precision: Literal["mixed_bfloat16", "float32"] = Field(
        default="mixed_bfloat16",
        description="mixed_bfloat16 (faster) or float32; weights are float32",
    )
    seed: NonNegativeInt = Field(default=1, description="of weights, dropout and order")
    measure_steps: PositiveInt = Field(
        default=500, description="steps between checkpoints, each with a measurement"
    )

    @model_validator(mode="after")
    def _one_layer_is_first_and_last(self) -> Self:
        if self.layers == 1 and self.attend_after == "first":
            raise ValueError("--attend-after first needs --layers 2 or more")
        return self
