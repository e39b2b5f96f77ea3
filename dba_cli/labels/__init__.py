"""``dba audit``: which labels are probably wrong, by a memory of each sample over one training."""

from dba_cli.labels._audit import Audit as Audit
from dba_cli.labels._audit import audit_labels as audit_labels
from dba_cli.labels._memory import EPOCHS as EPOCHS
from dba_cli.labels._memory import MemoryTraining as MemoryTraining
from dba_cli.labels._subject import audit_config as audit_config
