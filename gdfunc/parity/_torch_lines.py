"""Lines of PyTorch as people write them, at least three for each of its 13 first-order optimizers.

`record_torch` runs each of them, as it stands, in float64 on the built-in stream, and keeps the updates; a test translates
each and holds our rule to them. `params` are the stream's leaves; Muon takes only matrices.
"""

LINES = (
    "torch.optim.SGD(params, lr=0.1)",
    "torch.optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True)",
    "torch.optim.SGD(params, lr=0.01, momentum=0.8, dampening=0.4, weight_decay=0.5)",
    "optimizer = torch.optim.SGD(params, lr=0.1, momentum=0.9)\n"
    "scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10)",
    "torch.optim.SGD(params, lr=0.1, momentum=0.9, maximize=True)",
    "torch.optim.Adam(params)",
    "torch.optim.Adam(params, lr=1e-2, betas=(0.5, 0.9), eps=1e-3, weight_decay=0.1)",
    "torch.optim.Adam(params, lr=1e-2, amsgrad=True)",
    "torch.optim.Adam(params, lr=1e-2, amsgrad=True, weight_decay=0.1)",
    "torch.optim.Adam(params, lr=1e-2, weight_decay=0.1, decoupled_weight_decay=True)",
    "optimizer = torch.optim.Adam(params, lr=0.1)\n"
    "scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40)",
    "torch.optim.AdamW(params)",
    "torch.optim.AdamW(params, lr=1e-2, betas=(0.8, 0.99), weight_decay=0.3)",
    "optimizer = torch.optim.AdamW(params, lr=0.01, weight_decay=0.5)\n"
    "scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=41, cycle_momentum=False)",
    "torch.optim.NAdam(params)",
    "torch.optim.NAdam(params, lr=1e-2, betas=(0.8, 0.99), momentum_decay=0.05, weight_decay=0.1)",
    "torch.optim.NAdam(params, lr=1e-2, weight_decay=0.3, decoupled_weight_decay=True)",
    "optimizer = torch.optim.NAdam(params, lr=0.1)\n"
    "scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)",
    "torch.optim.RAdam(params)",
    "torch.optim.RAdam(params, lr=1e-2, betas=(0.5, 0.95), eps=1e-3)",
    "torch.optim.RAdam(params, lr=1e-2, betas=(0.8, 0.99), weight_decay=0.1)",
    "optimizer = torch.optim.RAdam(params, lr=0.1, betas=(0.9, 0.99))\n"
    "scheduler = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=30, power=2.0)",
    "torch.optim.Adamax(params)",
    "torch.optim.Adamax(params, lr=1e-2, betas=(0.5, 0.9), eps=1e-3, weight_decay=0.1)",
    "optimizer = torch.optim.Adamax(params, lr=0.1)\n"
    "scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=10)",
    "torch.optim.Adagrad(params)",
    "torch.optim.Adagrad(params, lr=0.1, initial_accumulator_value=0.1, eps=1e-3, weight_decay=0.1)",
    "optimizer = torch.optim.Adagrad(params, lr=0.1)\n"
    "scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[10, 20], gamma=0.5)",
    "torch.optim.Adadelta(params)",
    "torch.optim.Adadelta(params, lr=0.3, rho=0.8, eps=1e-4, weight_decay=0.1)",
    "optimizer = torch.optim.Adadelta(params)\n"
    "scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=5, T_mult=2, eta_min=0.1)",
    "torch.optim.RMSprop(params)",
    "torch.optim.RMSprop(params, lr=1e-3, alpha=0.9, momentum=0.9, centered=True, weight_decay=0.1)",
    "optimizer = torch.optim.RMSprop(params, lr=0.1, momentum=0.9)\n"
    "scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.5)",
    "torch.optim.Rprop(params)",
    "torch.optim.Rprop(params, lr=0.1, etas=(0.4, 1.3), step_sizes=(1e-3, 0.05))",
    "torch.optim.Rprop(params, lr=1e-3, step_sizes=(1e-4, 1.0), maximize=True)",
    "torch.optim.ASGD(params)",
    "torch.optim.ASGD(params, lr=0.1, lambd=0.01, alpha=0.6, t0=10)",
    "torch.optim.ASGD(params, lr=0.1, weight_decay=0.1)",
    "torch.optim.Adafactor(params)",
    "torch.optim.Adafactor(params, lr=0.1, beta2_decay=-0.5, eps=(1e-8, 1e-2), d=2.0, weight_decay=0.1)",
    "optimizer = torch.optim.Adafactor(params, lr=0.1)\n"
    "scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40, eta_min=0.01)",
    "torch.optim.Muon(params)",
    "torch.optim.Muon(params, lr=0.02, momentum=0.8, nesterov=False, weight_decay=0.0)",
    "torch.optim.Muon(params, lr=0.02, weight_decay=0.3, ns_steps=6, adjust_lr_fn='match_rms_adamw')",
    "optimizer = torch.optim.Muon(params, lr=0.02)\n"
    "scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.5)",
)


def takes(line: str, shape: tuple[int, ...]) -> bool:
    """Whether the optimizer of this line has an update for an array of this shape."""
    return len(shape) == 2 or "torch.optim.Muon" not in line
