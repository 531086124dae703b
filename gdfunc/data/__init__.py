"""Data sets and test problems that need no network: embedded or generated, the same for the same options."""

from ._adding_problem import adding_problem as adding_problem
from ._catalogue import datasets as datasets, load as load, problem as problem, problems as problems
from ._dataset import Dataset as Dataset, Meta as Meta
from ._digits import digits as digits
from ._linear_regression import linear_regression as linear_regression
from ._mnist1d import mnist1d as mnist1d
from ._problems import Problem as Problem, quadratic as quadratic, rosenbrock as rosenbrock
from ._spirals import spirals as spirals
from ._two_moons import two_moons as two_moons
