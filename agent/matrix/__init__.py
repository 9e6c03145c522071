"""Driver, CUDA, cuDNN, framework, image and card: the rows, the solver, and what errors mean."""
