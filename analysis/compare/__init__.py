"""Runs against each other: groups, intervals over training seeds, one sentence, figures. All of it as functions.

```python
from analysis.compare import compare_runs
comparison = compare_runs(["runs/clip"], by=["agent.clip_coef"])
print(comparison.text())
comparison.figure()
```
"""

from analysis.compare.comparison import Comparison, compare_folders, compare_runs

__all__ = ["Comparison", "compare_folders", "compare_runs"]
