import assert from 'node:assert/strict';
import { commandArgs, commandEnvironment } from './command-line.ts';

const ENVIRONMENT = { SUBNET: '10.5.2.0/24', PUBLIC_IP: '10.9.0.2', HOME: '/root dir' };

describe('a command of the backend extension', () => {
  const cases: readonly [string, readonly string[]][] = [
    ['', []],
    [' \t ', []],
    ['ip  route\tadd $SUBNET via ${PUBLIC_IP}', ['ip', 'route', 'add', '10.5.2.0/24', 'via', '10.9.0.2']],
    ['echo "a b" | cat && ls', ['echo', '"a', 'b"', '|', 'cat', '&&', 'ls']],
    ['echo $UNKNOWN$ x$PUBLIC_IP$?', ['echo', '$', 'x10.9.0.2']],
    ['ls $HOME', ['ls', '/root dir']],
  ];
  for (const [line, args] of cases)
    it(`${JSON.stringify(line)} has the arguments ${JSON.stringify(args)}`, () =>
      assert.deepEqual(commandArgs(line, false, ENVIRONMENT), args));

  it('goes to a shell as it is', () =>
    assert.deepEqual(commandArgs('echo "$SUBNET" | cat', true, ENVIRONMENT), [
      '/bin/sh',
      '-c',
      'echo "$SUBNET" | cat',
    ]));

  it('gets the variables of the daemon and its own, and no password', () =>
    assert.deepEqual(
      commandEnvironment(
        { environment: 'SUBNET=10.5.2.0/24\nPUBLIC_IP=10.9.0.2' },
        { PATH: '/bin', SUBNET: 'other', FLANNELD_ETCD_PASSWORD: 'secret' },
      ),
      { PATH: '/bin', SUBNET: '10.5.2.0/24', PUBLIC_IP: '10.9.0.2' },
    ));
});
