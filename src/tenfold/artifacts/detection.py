"""What a detector scores: evaluation.json of a run that trains one."""

from pydantic import Field

from tenfold.artifacts.base import Artifact, Count, Fraction, NonEmpty


class FieldMetrics(Artifact):
    """Rendered pictures of one kind, read by a detector."""

    name: str
    fields: Count = Field(description="pictures")
    exact: Count = Field(description="pictures whose text is exactly right, accepted or not")
    accepted: Count = Field(description="pictures with numbers, all of them accepted")
    accepted_wrong: Count = Field(description="of these, not exactly right")
    exact_interval: tuple[Fraction, Fraction] = Field(description="Wilson's 95 % interval (1927)")


class DetectorEvaluation(Artifact):
    """Figures on pictures that are rendered with digits of the test images."""

    data: str = Field(description="the data set of the digits")
    sets: NonEmpty[FieldMetrics]

    @property
    def exact(self) -> float:
        """The fraction of all pictures that are exactly right."""
        return sum(s.exact for s in self.sets) / sum(s.fields for s in self.sets)
