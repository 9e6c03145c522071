"""Driver, CUDA, cuDNN, framework, image and card: the rows, the rules over them, and what errors mean.

The rows are the JSON files of `data/` (data/README.md says how one is added); `tables.Matrix` holds them and
reads a file when it is first asked for. What other parts use:

* `tables.Matrix()`: `.cards`, `.drivers`, `.table(name)`, `.find_driver(branch)`, `.find_architecture(capability)`,
  `.find_floor(cuda_major)`, `.find_system(system, architecture)`; `tables.find_row(id)`.
* `subject.find_subject(card, matrix)`: the card meant by a name (NVML's too), PCI device id or capability;
  `.rows` is empty when none is.
* `combination.observe_combination(machine, hardware)` reads what a machine combines, and
  `judgement.judge_combination(seen)` judges it: (what is compared, verdict) for card and driver, module
  flavour, card and CUDA, card and cuDNN, driver and CUDA, driver and cuDNN, CUDA and cuDNN, driver and system.
* `judgement.judge_torch(version, cuda, seen)` judges an installed torch (its version, `torch.version.cuda` or
  None) on such a combination.
* One rule at a time (`rules`): `driver_drives`, `driver_meets` (with `cuda_need`), `toolkit_targets`,
  `driver_on_system`, `driver_builds`; `toolkits.judge_cudnn_card`. Each returns a `verdicts.Verdict`: yes, no
  or unknown, a sentence, and the ids of the rows it rests on. A missing row makes unknown, never yes.
* `xids.find_advice(code)`: what a Xid means, how serious it is, what each source says to do;
  `xids.find_codes(text)`: the Xids in kernel log lines.
* `ask.Ask`, `ask.parse_want`, `solver.solve(ask)`: a Solution or a NoSolution, each citing its rows.
* `explanation.explain_text(text)` and `explanation.explain_log(text)`: what is known of an error;
  `explanation.find_cause(log)`: the line that best explains a failure.

The rest serves these: `rows` the types of the rows, `version` how versions compare, `candidate` with its makers
`wheels` (torch), `serving` (vLLM), `toolkits` (CUDA, cuDNN) and `containers`, `conflict` the smallest reason,
`assembly` and `solution` what is returned, `render` texts.
"""
