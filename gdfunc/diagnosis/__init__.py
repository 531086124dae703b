"""Diagnosis: which layer is at fault, on what evidence, and what mends it."""

from ._diagnose import diagnose as diagnose
from ._finding import KINDS as KINDS, Diagnosis as Diagnosis, Finding as Finding, Remedy as Remedy
from ._of_run import judge_run as judge_run, of_run as of_run
