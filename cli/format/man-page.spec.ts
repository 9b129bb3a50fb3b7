import assert from 'node:assert/strict';
import { formatManPage } from './man-page.ts';
import { SPECS } from '../fixture/command-specs.ts';

describe('the man page', () => {
  it('has every field of every command, escaped for roff', () => {
    assert.equal(
      formatManPage(SPECS, '1.2.3'),
      `.\\" Made by "weft man".
.TH WEFT 1 "" "weft 1.2.3" "User commands"
.SH NAME
weft \\- overlay network for container hosts
.SH SYNOPSIS
.B weft
.I COMMAND
.RI [ arguments ]
.SH DESCRIPTION
Each host leases a subnet of one cluster network from etcd;
.B weft daemon
connects it with the subnets of the other hosts.
The other commands use the control socket of that daemon, or work without one.
.SH INSPECT
.SS weft show: show a thing, or two: a host's
.B weft show [list] [options]
.br
.B weft show get THING
.PP
Shows things.
\\&.hidden dot, back\\eslash and \\(dqquotes\\(dq.
.TP
.B list
all of them
.TP
.B get THING
one
.TP
.B stop|start
either
.TP
.B \\-\\-colour red|blue
which [one]: of two
.TP
.B \\-f, \\-\\-file FILE
where
.TP
.B \\-\\-count N
how many
.TP
.B \\-\\-json
a program's text
.PP
see x
.RS 4
.B weft show get x
.RE
.TP
.B exit code 4
there is none
.SH MORE
.SS weft old: as it was
.B weft old [\\-q]
.PP
Old.
.TP
.B \\-q
quietly
.SH EXIT STATUS
.TP
.B 0
Success.
.TP
.B 1
Failure; standard error has one line with the reason.
.TP
.B 2
Wrong usage.
.TP
.B 3 and more
See each command.
.SH FILES
.TP
.B /run/weft/weft.sock
Control socket of the daemon.
.TP
.B /run/flannel/subnet.env
This host's subnet and MTU for container runtimes.
.SH ENVIRONMENT
.TP
.B WEFT_SOCKET
Control socket without \\-\\-socket.
.TP
.B NO_COLOR
If not empty, colours are off.
.TP
.B FLANNELD_...
Flags of weft daemon; weft daemon \\-\\-help lists them.
`,
    );
  });
});
