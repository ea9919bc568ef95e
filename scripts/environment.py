"""A virtual environment for one purpose, made on first use and kept while it fits.

This file and the scripts beside it run under any Python 3, so that an old one gets a message
instead of a syntax error, and need nothing but Python itself.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NEEDED = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")


def python(name, *requirements):
    """Return the Python of the environment ``name``, with the requirements installed.

    Requirements are as pip takes them; ".[cli]" is this checkout with what its command line
    needs. Nothing is installed again while they, pyproject.toml and the place are unchanged.
    """
    require_python()
    folder = os.path.join(ROOT, name)
    interpreter = os.path.join(folder, *interpreter_path())
    stamp = os.path.join(folder, "made-from")
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        project = file.read()
    wanted = hashlib.sha256(repr((project, requirements, ROOT, sys.version)).encode()).hexdigest()
    if os.path.exists(stamp) and os.path.exists(interpreter):
        with open(stamp) as file:
            if file.read() == wanted:
                return interpreter
    started = time.time()
    print("setting up " + name + " (once; a minute or two, mostly downloads) ...", flush=True)
    if subprocess.call([sys.executable, "-m", "venv", "--clear", folder]):
        sys.exit(
            "deepglass: this Python could not make a virtual environment (see above).\n"
            "On Debian and Ubuntu, install its venv module first: apt install python3-venv"
        )
    install = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for requirement in requirements:
        install += ["--editable", requirement] if requirement.startswith(".") else [requirement]
    if subprocess.call(install, cwd=ROOT):
        sys.exit("deepglass: installing failed (see above). Is the network reachable? Try again.")
    with open(stamp, "w") as file:
        file.write(wanted)
    print("done in %.0f s\n" % (time.time() - started), flush=True)
    return interpreter


def run(*command):
    """Run a command in the checkout and return its exit code."""
    return subprocess.call(command, cwd=ROOT)


def interpreter_path():
    return ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")


def require_python():
    """Go on under a newer Python if this one is too old, or say what is needed."""
    if sys.version_info >= NEEDED:
        return
    for name in NEWER:
        path = shutil.which(name)
        works = path and not subprocess.call(
            [path, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if works:
            sys.exit(subprocess.call([path, *sys.argv]))
    sys.exit(
        "deepglass needs Python 3.11 or newer; this is %s. Start this script with a newer one, "
        "such as python3.12." % sys.version.split()[0]
    )
