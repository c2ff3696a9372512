def _hook():
    import builtins, sys
    from os import stat
    real = builtins.__import__
    names = %ROOTS%
    sys.path[:] = names
    sys.argv[:] = %WORDS%
    def hook(name, globals=None, locals=None, fromlist=None, level=0):
        if level == 0:
            try:
                stat('/.import/' + name.split('.')[0])
            except OSError as error:
                if error.errno == 2:
                    raise ImportError("import of '" + name + "' is denied")
        return real(name, globals, locals, fromlist, level)
    builtins.__import__ = hook
_hook()
del _hook
