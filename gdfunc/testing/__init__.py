"""Assertions on update rules for your own test suite, in chex's manner: each raises AssertionError and says where."""

from ._contract import assert_rule_contract as assert_rule_contract
from ._same import assert_follows_paper as assert_follows_paper, assert_same_rule as assert_same_rule
