import { describe, expect, it } from 'vitest';

import { BUILD_VIEW } from '../../src/constants';
import {
  isMarkedIsolated,
  kindOf,
  needsFrame,
  preferredType,
  WIDGET_VIEW,
  withoutCommands
} from '../../src/outputs/classify';

const PLOTLY = 'application/vnd.plotly.v1+json';
const RANKED = [
  WIDGET_VIEW,
  PLOTLY,
  BUILD_VIEW,
  'text/html',
  'image/png',
  'application/javascript',
  'text/plain'
];

function preferred(...types: string[]): string | undefined {
  return preferredType(
    Object.fromEntries(types.map(type => [type, ''])),
    RANKED
  );
}

describe('the type that is drawn of a bundle', () => {
  it('is the best one that needs no rights', () => {
    expect(preferred('text/plain', 'text/html', 'image/png')).toBe('text/html');
    expect(preferred('text/plain', PLOTLY, 'image/png')).toBe('image/png');
    expect(preferred(PLOTLY, 'text/html', 'text/plain')).toBe('text/html');
    expect(preferred('text/plain')).toBe('text/plain');
  });

  it('is named and not drawn where only a text stands for it', () => {
    for (const type of [WIDGET_VIEW, PLOTLY]) {
      expect(preferred('text/plain', type)).toBe(type);
      expect(preferred(type)).toBe(type);
      expect(kindOf(type)).toBeUndefined();
    }
  });

  it('is none where nothing has a renderer', () => {
    expect(preferred('application/x-unknown')).toBeUndefined();
  });
});

describe('HTML', () => {
  it.each([
    '<table border="1" class="dataframe"><tr><td>1 &lt;script&gt;</td></tr></table>',
    '<div><style scoped>.dataframe td { color: red }</style><table></table></div>',
    '<pre style="white-space:pre"><span style="color: #008000">rich</span></pre>',
    '<a href="https://example.org/?once=1">on = 1</a> onclick=x',
    ''
  ])('is drawn in place: %s', html => {
    expect(needsFrame(html)).toBe(false);
  });

  it.each([
    '<script>1</script>',
    '<SCRIPT src=x>',
    '<style>#T_1 { color: red }</style><table id="T_1"></table>',
    '<img src=x onerror=alert(1)>',
    '<img/src="x"onerror="1">',
    '<div\nonclick = "1">',
    '<iframe srcdoc="x"></iframe>',
    '<svg></svg>',
    '<input type=checkbox>'
  ])('needs a frame: %s', html => {
    expect(needsFrame(html)).toBe(true);
  });

  it('keeps no command of JupyterLab, and its text', () => {
    const text = 'data-commandlinker-command="x"';
    const button =
      '<button class="a" data-commandlinker-command="console:create" ' +
      'data-commandlinker-args="{&quot;path&quot;: 1}" title="b">';
    expect(withoutCommands(`${button}${text}</button>`)).toBe(
      `<button class="a" title="b">${text}</button>`
    );
  });
});

it("knows what JupyterLab draws into a frame of the page's origin", () => {
  const html = 'text/html';
  expect(isMarkedIsolated(html, {})).toBe(false);
  expect(isMarkedIsolated(html, { isolated: true })).toBe(true);
  expect(isMarkedIsolated(html, { [html]: { isolated: true } })).toBe(true);
  const own = { isolated: true, [html]: { isolated: false } };
  expect(isMarkedIsolated(html, own)).toBe(false);
});
