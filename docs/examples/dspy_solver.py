"""A DSPy program that heartloop runs as a method: --method dspy:docs/examples/dspy_solver.py."""

import dspy


class Solver(dspy.Module):
    """Read the task, think, answer."""

    def __init__(self):
        super().__init__()
        self.solve = dspy.ChainOfThought(
            dspy.Signature("question -> answer", "Solve the problem. Give the final result alone.")
        )

    def forward(self, question):
        """Answer one question."""
        return self.solve(question=question)


program = Solver


def answer(prediction):
    """The text that heartloop grades, in the form its maths chain reads."""
    return f"\\boxed{{{prediction.answer}}}"
