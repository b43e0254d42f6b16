# SPDX-License-Identifier: Apache-2.0
# Completion of msb in fish; what fits is asked of msb itself.

function __msb_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    set -l lines ($program __complete -- $words "$typed" 2>/dev/null)
    or return
    set -l first (string split ' ' -- $lines[1])
    set -e lines[1]
    for line in $lines
        echo $line
    end
    test $first[1] = none
    and return
    set -l head (string sub -l $first[2] -- $typed)
    set -l path (string sub -s (math $first[2] + 1) -- $typed)
    if test $first[1] = dirs
        for line in (__fish_complete_directories "$path")
            echo $head$line
        end
    else
        for line in (__fish_complete_path "$path")
            echo $head$line
        end
    end
end

complete -c msb -f -a '(__msb_complete)'
complete -c microsandbox -w msb
