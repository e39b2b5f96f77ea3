"""``dba try``: whether DBA helps on data of one's own, by held-out data, controls and intervals."""

from dba_cli.trial._template import network as network
from dba_cli.trial._template import slug as slug
from dba_cli.trial._trial import Verdict as Verdict
from dba_cli.trial._trial import described as described
from dba_cli.trial._trial import try_data as try_data
