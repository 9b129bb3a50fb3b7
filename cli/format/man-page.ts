// The man page in roff (man(7)), made from the specifications of commands. Pure.
import { GROUPS, type NamedCommandSpec } from '../command-spec.ts';
import { spell, valueOf } from './help.ts';

export function formatManPage(commands: readonly NamedCommandSpec[], version: string): string {
  const groups = Object.entries(GROUPS).map(([group, title]) => {
    const members = commands.filter((command) => command.group === group);
    return members.length === 0
      ? ''
      : `.SH ${escape(title.toUpperCase())}\n${members.map(formatCommand).join('')}`;
  });
  return `.\\" Made by "weft man".
.TH WEFT 1 "" "weft ${escape(version)}" "User commands"
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
${groups.join('')}.SH EXIT STATUS
${EXIT_STATUS.map(([code, meaning]) => tagged(code, meaning)).join('')}.SH FILES
${FILES.map(([path, meaning]) => tagged(path, meaning)).join('')}.SH ENVIRONMENT
${ENVIRONMENT.map(([name, meaning]) => tagged(name, meaning)).join('')}`;
}

const EXIT_STATUS = [
  ['0', 'Success.'],
  ['1', 'Failure; standard error has one line with the reason.'],
  ['2', 'Wrong usage.'],
  ['3 and more', 'See each command.'],
] as const;

const FILES = [
  ['/run/weft/weft.sock', 'Control socket of the daemon.'],
  ['/run/flannel/subnet.env', "This host's subnet and MTU for container runtimes."],
] as const;

const ENVIRONMENT = [
  ['WEFT_SOCKET', 'Control socket without --socket.'],
  ['NO_COLOR', 'If not empty, colours are off.'],
  ['FLANNELD_...', 'Flags of weft daemon; weft daemon --help lists them.'],
] as const;

function formatCommand(command: NamedCommandSpec): string {
  const { name, summary, synopsis, about, verbs = {}, options, examples, exitCodes = {} } = command;
  const forms = synopsis.map((form) => `.B ${escape(`weft ${name} ${form}`.trimEnd())}\n`).join('.br\n');
  return [
    `.SS ${escape(`weft ${name}: ${summary}`)}\n`,
    forms,
    `.PP\n${lines(about)}`,
    ...Object.entries(verbs).map(([verb, help]) => tagged(verb, help)),
    ...Object.entries(options).map(([optionName, option]) => {
      const short = option.short === undefined ? '' : `-${option.short}, `;
      return tagged(`${short}${spell(optionName)}${valueOf(option)}`, option.help);
    }),
    ...examples.map(([line, what]) => `.PP\n${lines(what)}.RS 4\n.B ${escape(line)}\n.RE\n`),
    ...Object.entries(exitCodes).map(([code, meaning]) => tagged(`exit code ${code}`, meaning)),
  ].join('');
}

/** A tagged paragraph. */
function tagged(tag: string, text: string): string {
  return `.TP\n.B ${escape(tag)}\n${lines(text)}`;
}

function lines(text: string): string {
  return text
    .trim()
    .split('\n')
    .map((line) => `${escape(line)}\n`)
    .join('');
}

/** Escapes text for roff. Quotes would group within an argument of a macro, so they are named. */
function escape(text: string): string {
  const named = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('"', '\\(dq');
  return /^[.']/.test(named) ? `\\&${named}` : named;
}
