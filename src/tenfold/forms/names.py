"""Names of fields: each is a column of the table."""

from typing import Annotated

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

# Columns of the table that are no fields.
DOCUMENT_COLUMNS = ("document", "files", "pages", "template", "problems")


def _check(value: object, handler: ValidatorFunctionWrapHandler) -> str:
    try:
        name: str = handler(value)
    except ValidationError as error:
        if error.errors()[0]["type"] != "string_pattern_mismatch":
            raise
        if value == "":
            raise ValueError("the field has no name") from error
        raise ValueError(
            "a name begins with a letter, a digit or _, and has only these, spaces and -"
        ) from error
    return name


FieldName = Annotated[str, Field(pattern=r"^\w[\w -]*$", max_length=60), WrapValidator(_check)]
