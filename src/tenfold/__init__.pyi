# The public names: `__init__.py` loads each from here when it is first used.

from tenfold.bundle.torch_bundle import Bundle as Bundle
from tenfold.data.digits import Digits as Digits
from tenfold.data.file_pages import file_pages as file_pages
from tenfold.data.sources import load_digits as load_digits
from tenfold.errors import TenfoldError as TenfoldError
from tenfold.execution.config import Execution as Execution
from tenfold.execution.run import Run as Run
from tenfold.execution.train import resume as resume
from tenfold.execution.train import train as train
from tenfold.model.config import NetworkConfig as NetworkConfig
from tenfold.model.network import DigitNetwork as DigitNetwork
from tenfold.reading.constraints import Constraints as Constraints
from tenfold.reading.page import Digit as Digit
from tenfold.reading.page import Number as Number
from tenfold.reading.page import Page as Page
from tenfold.reading.reader import Reader as Reader
from tenfold.training.estimator import DigitClassifier as DigitClassifier
from tenfold.training.recipe import Recipe as Recipe
from tenfold.training.recipe import load_recipe as load_recipe
from tenfold.training.schedule import Schedule as Schedule
from tenfold.training.schedule import Stage as Stage

__all__: list[str]  # noqa: PYI035 - the names above; a list of them would be a second one
