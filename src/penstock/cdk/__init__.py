"""CDK constructs: from a working endpoint to a URL that streams, safe by default.

Lives here: what users import. Stays out: Lambda's wire (``penstock.aws``).

Needs the ``cdk`` extra; nothing else of the package imports this.
"""

from __future__ import annotations

from penstock.cdk.distribution import StreamingDistribution
from penstock.cdk.function import StreamingFunction
from penstock.cdk.rest_api import StreamingRestApi

__all__ = ("StreamingDistribution", "StreamingFunction", "StreamingRestApi")
