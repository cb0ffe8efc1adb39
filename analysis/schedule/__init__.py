"""What a scheduler did on one workload: Gantt chart, decisions, waits by width, and which features drive it.

```python
from analysis.schedule import record_schedule
recording = record_schedule(["agent=sjf", "env=heavy"], seed=2000001)
```
"""

from analysis.schedule.recording import Recording, record_schedule

__all__ = ["Recording", "record_schedule"]
