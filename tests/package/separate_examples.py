"""The examples, all of them, with the clients compiled separately; then two of them talk through the third.

    separate_examples.py FOLDER COMPILER GENERATOR
"""
import os
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER, COMPILER, GENERATOR = sys.argv[1:]

os.environ["INFLIGHT_EXAMPLES"] = f"{FOLDER}/examples"
sys.path.insert(0, str(ROOT / "tests/support"))
from brokers import Embedded
from programs import run_pair

settings = {
    "CMAKE_CXX_COMPILER": COMPILER,
    "CMAKE_BUILD_TYPE": "Debug",
    "CMAKE_COMPILE_WARNING_AS_ERROR": "ON",
    "INFLIGHT_BUILD_TESTS": "OFF",
    "INFLIGHT_SEPARATE_COMPILATION": "ON",
}
definitions = [part for name, value in settings.items() for part in ("-D", f"{name}={value}")]
subprocess.run(["cmake", "-S", ROOT, "-B", FOLDER, "-G", GENERATOR, *definitions], check=True)
subprocess.run(["cmake", "--build", FOLDER], check=True)
with Embedded() as broker:
    run_pair(broker, "separate/compilation", 1)
