import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { readSysctl, SysctlPathError, writeSysctl } from './sysctl.ts';

describe('sysctl', () => {
  it('reads without the newline', async () => assert.equal(await readSysctl('kernel/ostype'), 'Linux'));

  it('reads no value of an absent file, and rejects the write', async () => {
    assert.equal(await readSysctl('net/ipv6/conf/no.such.0/accept_ra'), undefined);
    const outcome = await writeSysctl('net/ipv6/conf/no.such.0/accept_ra', '0');
    assert.equal(outcome.status === 'rejected' && outcome.errno, 'ENOENT');
  });

  // Mode 0444, also for root.
  it('takes a file that cannot be written for done if it has the value', async () => {
    assert.deepEqual(await writeSysctl('kernel/ostype', 'Linux'), { status: 'done' });
    const outcome = await writeSysctl('kernel/ostype', 'Other');
    assert.equal(outcome.status === 'rejected' && outcome.errno, 'EACCES');
  });

  for (const path of [
    '',
    '/proc/sys/net',
    'net/../../etc/passwd',
    'net/ipv4/',
    'net.ipv4.ip_forward',
    'net//x',
    'a/b c',
  ])
    it(`rejects ${JSON.stringify(path)}`, async () => {
      await assert.rejects(readSysctl(path), SysctlPathError);
      const outcome = await writeSysctl(path, '1');
      assert.equal(outcome.status === 'rejected' && outcome.errno, 'EINVAL');
    });
});
