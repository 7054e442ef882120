"""What a setting is: its type, default, limits, unit and help, said once in a data class.

A room declares its settings as a frozen data class derived from ``Settings``, each field made by
``setting``. From that class come the check of what people write, the JSON schema of recipes and the
tables of ``config/README.md``.
"""

from vaescope.settings.build import Settings, check
from vaescope.settings.fields import NAME, Schedule, setting
from vaescope.settings.files import merge, read_yaml
from vaescope.settings.markdown import table_of
from vaescope.settings.schema import schema_of

__all__ = [
    "NAME",
    "Schedule",
    "Settings",
    "check",
    "merge",
    "read_yaml",
    "schema_of",
    "setting",
    "table_of",
]
