"""What no certificate can tell, and why: changes that leave the rule the same, and those that another test notices."""

_ROUNDING = "one number in exact arithmetic; in the updates the two forms differ by less than the tolerance"
_GUARD = "stands in the branch that is not taken, to keep its derivative finite"

THE_SAME = {
    ("adahessian", "debias=exact"): _ROUNDING,
    ("adamax", "debias=exact"): _ROUNDING,
    ("adamaxw", "debias=exact"): _ROUNDING,
    ("adamaxw", "debias=power"): _ROUNDING,
    ("galore", "debias=exact"): _ROUNDING,
    ("galore", "debias=power"): _ROUNDING,
    ("lamb", "debias=exact"): _ROUNDING,
    ("lamb", "debias=power"): _ROUNDING,
    ("mars", "debias=exact"): _ROUNDING,
    ("momo_adam", "debias=exact"): _ROUNDING,
    ("radam", "debias=exact"): _ROUNDING,
    ("simplified_ademamix", "debias=exact"): _ROUNDING,
    ("simplified_ademamix", "debias=power"): _ROUNDING,
    ("adahessian", "power = jnp.where(root > 0, jnp.where(root > 0, root, 1) ** self.hessian_power, 0) [0 -> 1]"): (
        "where the root is 0 the average of the gradients is 0 too"
    ),
    (
        "adahessian",
        "power = jnp.where(root > 0, jnp.where(root > 0, root, 1) ** self.hessian_power, 0) [1 -> 2]",
    ): _GUARD,
    (
        "adam_atan2",
        "nothing = (m_hat == 0) & (v_hat == 0) [0 -> 1]",
    ): "decides what keeps a derivative finite, no value",
    (
        "adam_atan2",
        "nothing = (m_hat == 0) & (v_hat == 0) [0 -> 1]'",
    ): "decides what keeps a derivative finite, no value",
    ("adam_atan2", "angle = jnp.arctan2(m_hat, jnp.where(nothing, 1, self.b * safe_sqrt(v_hat))) [1 -> 2]"): _GUARD,
    ("asam", "length = self.rho / jnp.where(norm > 0, norm, 1) [1 -> 2]"): _GUARD,
    (
        "dpsgd",
        "shares = jnp.where(norms <= self.max_norm, 1.0, self.max_norm / jnp.where(norms <= self.max_norm, 1.0, norms)) "
        "[1.0 -> 2.0]'",
    ): _GUARD,
    ("lbfgs", "first = jnp.minimum(1.0, ratio(1.0, tree_norm(grads), 1.0)) [1.0 -> 2.0]''"): (
        "a ratio of 2 and one of 1 are both cut to 1"
    ),
    ("normalize", "length = jnp.where(norm > 0, norm, 1) [1 -> 2]"): _GUARD,
    (
        "rprop",
        "factor = jnp.where(agreement > 0, self.eta_plus, jnp.where(turned, self.eta_minus, 1.0)) [1.0 -> 2.0]",
    ): "where nothing agrees and nothing turned, the last step size is kept whatever the factor",
    ("sam", "length = self.rho / jnp.where(norm > 0, norm, 1) [1 -> 2]"): _GUARD,
    ("schedule_free", "rate"): "a constant rate to any power is the same share",
    (
        "schedule_free",
        "u, z = jax.tree.transpose(jax.tree.structure(params), jax.tree.structure((0, 0)), pairs) [0 -> 1]",
    ): "the structure of a pair is that of any pair",
    (
        "schedule_free",
        "u, z = jax.tree.transpose(jax.tree.structure(params), jax.tree.structure((0, 0)), pairs) [0 -> 1]'",
    ): "the structure of a pair is that of any pair",
    ("skip_large", "safe = jax.tree.map(lambda g: jnp.where(fits, g, 0), grads) [0 -> 1]"): (
        "what the rule inside makes of it is thrown away"
    ),
    (
        "sm3",
        "d = jnp.where(seen, x / jnp.sqrt(jnp.where(seen, nu, 1) + self.eps), 0).reshape(g.shape) [1 -> 2]",
    ): _GUARD,
    ("soap", "case = jnp.where(t == 1, 0, jnp.where((t - 1) % self.frequency == 0, 1, 2)) [2 -> 3]"): (
        "lax.switch takes an index beyond the last branch for the last"
    ),
}

_ASGD = ("test_relations.py", "test_asgd_keeps_the_mean_of_the_iterates_from_where_the_average_begins")
_EMA = ("test_around_rules.py", "test_the_average_of_the_parameters_is_what_optax_makes_of_them")
_SKIPPED = (
    "test_around_rules.py",
    "test_skip_large_skips_what_is_large_or_not_finite_and_leaves_the_rule_inside_as_it_was",
)
_HESSIAN = ("test_whole_tree.py", "test_adahessian_averages_over_a_kernels_places_and_leaves_matrices_alone")
_STEEPEST = (
    "test_line_search.py",
    "test_a_short_gradient_is_the_first_step_and_the_second_goes_along_it_where_the_secant_ascends",
)
_SHORT = (
    "test_around_rules.py",
    "test_a_short_gradient_is_normalized_to_length_1_and_sam_climbs_as_far_along_it",
)
_ORDER = ("test_second_order.py", "test_newton_converges_with_the_order_that_its_forcing_promises")
_RADIUS = ("test_second_order.py", "test_the_radius_follows_how_much_of_the_predicted_fall_came")

# A number that no update shows, or a shape or step that the stream has not: the test in tests/rules that notices it.
ELSEWHERE = {
    (
        "adafactor",
        "means = jnp.concatenate([jnp.mean(squares, axis=-1), jnp.mean(squares, axis=-2)], axis=-1) [-1 -> 1]'",
    ): ("test_relations.py", "test_adafactor_factors_the_last_two_axes_of_an_array_of_three"),
    ("adahessian", "average=leading"): _HESSIAN,
    ("adahessian", "average=trailing"): _HESSIAN,
    ("adahessian", "average=none"): _HESSIAN,
    ("asgd", "average_from"): _ASGD,
    ("asgd", "share = 1 / jnp.maximum(1, t - 1 - self.average_from) [1 -> 2]"): _ASGD,
    ("asgd", "share = 1 / jnp.maximum(1, t - 1 - self.average_from) [1 -> 2]'"): _ASGD,
    ("asgd", "share = 1 / jnp.maximum(1, t - 1 - self.average_from) [1 -> 2]''"): _ASGD,
    (
        "asgd",
        "share = 1 / jnp.maximum(1, t - 1 - self.average_from) [t - 1 - self.average_from -> t - 1 + self.average_from]",
    ): _ASGD,
    ("asgd", "share = 1 / jnp.maximum(1, t - 1 - self.average_from) [t - 1 -> t + 1]"): _ASGD,
    ("asgd", "return (u, self.Memory(ema(memory.average, p + u, 1 - share))) [p + u -> p - u]"): _ASGD,
    ("asgd", "return (u, self.Memory(ema(memory.average, p + u, 1 - share))) [1 - share -> 1 + share]"): _ASGD,
    ("asgd", "return (u, self.Memory(ema(memory.average, p + u, 1 - share))) [1 -> 2]"): _ASGD,
    ("barzilai_borwein", "alpha = jnp.where((t > 1) & (sy > 0), alpha, self.learning_rate) [1 -> 2]"): (
        "test_whole_tree.py",
        "test_in_one_dimension_the_secant_is_newtons_step",
    ),
    ("bfgs", "first = jnp.minimum(1.0, ratio(1.0, tree_norm(grads))) [1.0 -> 2.0]"): (
        "test_second_order.py",
        "test_before_its_first_pair_bfgs_goes_along_the_gradient_and_no_farther_than_1",
    ),
    ("ema_params", "decay"): _EMA,
    ("ema_params", "debias=True"): _EMA,
    ("ema_params", "debias=False"): _EMA,
    (
        "ema_params",
        "average = jax.tree.map(lambda a, p, u: ema(a, p + u, self.decay), memory.average, params, grads) "
        "[p + u -> p - u]",
    ): _EMA,
    ("galore", "signs=aligned"): (
        "test_relations.py",
        "test_galore_turns_a_new_direction_to_the_side_of_the_one_that_it_replaces",
    ),
    ("lbfgs", "first = jnp.minimum(1.0, ratio(1.0, tree_norm(grads), 1.0)) [1.0 -> 2.0]"): _STEEPEST,
    ("lbfgs", "descends = tree_dot(grads, d) < 0 [0 -> 1]"): _STEEPEST,
    ("lbfgs", "d = tree_map(lambda d, g: jnp.where(descends, d, -g), d, grads) [-g -> g]"): _STEEPEST,
    ("newton", "power"): _ORDER,
    ("nonlinear_cg", "good = (memory.fall < 0) & (tree_dot(grads, d) < 0) [0 -> 1]'"): (
        "test_second_order.py",
        "test_where_the_direction_would_ascend_it_is_steepest_descent",
    ),
    ("normalize", "length = jnp.where(norm > 0, norm, 1) [0 -> 1]"): _SHORT,
    ("sam", "length = self.rho / jnp.where(norm > 0, norm, 1) [0 -> 1]"): _SHORT,
    (
        "skip_large",
        "return (updates, self.Memory(memory.skipped + 1 - fits.astype(jnp.int32)), inner_state) "
        "[memory.skipped + 1 - fits.astype(jnp.int32) -> memory.skipped + 1 + fits.astype(jnp.int32)]",
    ): _SKIPPED,
    (
        "skip_large",
        "return (updates, self.Memory(memory.skipped + 1 - fits.astype(jnp.int32)), inner_state) "
        "[memory.skipped + 1 -> memory.skipped - 1]",
    ): _SKIPPED,
    (
        "skip_large",
        "return (updates, self.Memory(memory.skipped + 1 - fits.astype(jnp.int32)), inner_state) [1 -> 2]",
    ): _SKIPPED,
    ("trust_region_newton", "accept"): _RADIUS,
    ("trust_region_newton", "power"): _ORDER,
    ("trust_region_newton", "predicted = -tree_dot(tree_add(grads, r), z) / 2 [2 -> 3]"): _RADIUS,
    (
        "trust_region_newton",
        "return (tree_scale(jnp.where(rho > self.accept, 1.0, 0.0), z), self.Memory(radius)) [0.0 -> 1.0]",
    ): _RADIUS,
}
