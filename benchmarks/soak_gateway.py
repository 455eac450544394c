"""The functions behind the local gateway, in a process of their own that can be killed: `python -m benchmarks.soak_gateway PORT KEYS`.

KEYS is the file of the public keys of the local tokens. Everything else is in the environment, as `shared/settings.py` has it.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path

from local.gateway import Gateway
from local.key_set import KeySet
from local.serving import serving


async def main(port: int, keys: KeySet) -> None:
    """Serve until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with serving(Gateway(keys), port=port):
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())))
