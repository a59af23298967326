/** Holds `api/types.ts`, `api/routes.ts` and `openapi.json` together: the compiler compares their types. */

import ts from 'typescript';
import { expect, it } from 'vitest';

const ROOT = ts.sys.getCurrentDirectory();
const TYPES = `${ROOT}/labextension/src/api/types.ts`;
const CONTRACT = `${ROOT}/jupyter_containers/openapi.json`;

/** The file that the compiler checks beside `types.ts`; it exists in memory only. */
const CHECKS = `${ROOT}/labextension/src/api/checks.ts`;

/** The one route that does not answer in JSON: its lines are `Event`s. */
const STREAM = 'GET /builds/{id}/events';

/** Interfaces that are not called `I` and the schema's name. */
const NAMES: Record<string, string> = {
  Error: 'IServerError',
  Event: 'IJobEvent',
  Settings: 'Settings'
};

interface ISchema {
  readonly $ref?: string;
  readonly anyOf?: readonly ISchema[];
  readonly enum?: readonly string[];
  readonly type?: string;
  readonly items?: ISchema;
  readonly properties?: Readonly<Record<string, ISchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | ISchema;
}

interface IContent {
  readonly content?: Readonly<Record<string, { schema: ISchema }>>;
}

interface IParameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
}

interface IOperation {
  readonly parameters?: readonly IParameter[];
  readonly requestBody?: IContent;
  readonly responses: Readonly<Record<string, IContent>>;
}

interface IContract {
  readonly components: { readonly schemas: Readonly<Record<string, ISchema>> };
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, IOperation>>>
  >;
}

/** A JSON schema as a TypeScript type. */
function typeOf(schema: ISchema): string {
  if (schema.$ref) {
    return `Schema_${schema.$ref.replace(/^.*\//, '')}`;
  }
  if (schema.anyOf) {
    return schema.anyOf.map(typeOf).join(' | ');
  }
  if (schema.enum) {
    return schema.enum.map(value => JSON.stringify(value)).join(' | ');
  }
  switch (schema.type) {
    case undefined:
      return 'unknown';
    case 'integer':
      return 'number';
    case 'array':
      return `(${typeOf(schema.items ?? {})})[]`;
    case 'object':
      return objectOf(schema);
    default:
      return schema.type;
  }
}

function objectOf(schema: ISchema): string {
  const { additionalProperties: more, properties = {}, required } = schema;
  if (more !== false) {
    // Settings have keys beside those that the schema names.
    return `Record<string, ${typeof more === 'object' ? typeOf(more) : 'unknown'}>`;
  }
  const lines = Object.entries(properties).map(([name, property]) => {
    const optional = required?.includes(name) ? '' : '?';
    return `${JSON.stringify(name)}${optional}: ${typeOf(property)};`;
  });
  return `{ ${lines.join(' ')} }`;
}

function jsonOf(content: IContent | undefined): ISchema | undefined {
  return content?.content?.['application/json']?.schema;
}

/** Query parameters as a type; all are text in an address. */
function queryOf(parameters: readonly IParameter[] = []): string {
  return parameters
    .filter(one => one.in === 'query')
    .map(
      one => `${JSON.stringify(one.name)}${one.required ? '' : '?'}: string;`
    )
    .join(' ');
}

/** Each line is a check, ended by what it checks. */
function checks(contract: IContract): string {
  const { schemas } = contract.components;
  const routes = Object.entries(contract.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([method]) => method !== 'parameters')
      .map(([method, operation]) => ({
        route: `${method.toUpperCase()} ${path}`,
        body: jsonOf(operation.requestBody),
        query: queryOf(operation.parameters),
        answer: jsonOf(
          Object.entries(operation.responses).find(([code]) =>
            code.startsWith('2')
          )?.[1]
        )
      }))
      .filter(({ route }) => route !== STREAM)
  );
  const keys = (names: readonly string[]) =>
    names.map(name => JSON.stringify(name)).join(' | ');
  const withBody = routes.filter(({ body }) => body);
  const withQuery = routes.filter(({ query }) => query);
  let count = 0;
  const check = (condition: string, about: string) =>
    `export const check_${String(count++)}: ${condition} = true; // ${about}`;
  const same = (mine: string, theirs: string, about: string) =>
    check(`Same<Plain<${mine}>, Plain<${theirs}>>`, about);
  return [
    `import type * as Mine from './types';`,
    `import type * as Routes from './routes';`,
    `type Plain<X> = X extends readonly (infer E)[] ? Plain<E>[] : X extends object ? { -readonly [K in keyof X]: Plain<X[K]> } : X;`,
    `type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;`,
    `type Fits<A, B> = [A] extends [B] ? ([keyof A] extends [keyof B] ? true : false) : false;`,
    ...Object.entries(schemas).map(
      ([name, schema]) => `type Schema_${name} = ${typeOf(schema)};`
    ),
    ...Object.entries(schemas).flatMap(([name, schema]) => {
      const mine = `Mine.${NAMES[name] ?? `I${name}`}`;
      const theirs = `Schema_${name}`;
      const each = schema.additionalProperties === false;
      return [
        same(mine, theirs, name),
        ...(each ? Object.keys(schema.properties ?? {}) : []).map(key =>
          same(
            `Pick<${mine}, ${JSON.stringify(key)}>`,
            `Pick<${theirs}, ${JSON.stringify(key)}>`,
            `${name}.${key}`
          )
        )
      ];
    }),
    same(
      'keyof Routes.IAnswers',
      keys(routes.map(({ route }) => route)),
      'the routes of IAnswers'
    ),
    same(
      'keyof Routes.IBodies',
      keys(withBody.map(({ route }) => route)),
      'the routes of IBodies'
    ),
    same(
      'keyof Routes.IQueries',
      keys(withQuery.map(({ route }) => route)),
      'the routes of IQueries'
    ),
    ...withQuery.map(({ route, query }) =>
      same(
        `Routes.IQueries[${JSON.stringify(route)}]`,
        `{ ${query} }`,
        `the query of ${route}`
      )
    ),
    ...routes.map(({ route, answer }) =>
      same(
        `Routes.IAnswers[${JSON.stringify(route)}]`,
        answer ? typeOf(answer) : 'undefined',
        `the answer of ${route}`
      )
    ),
    ...withBody.map(({ route, body = {} }) =>
      // A body need not hold what is optional.
      check(
        `Fits<Plain<Routes.IBodies[${JSON.stringify(route)}]>, Plain<${typeOf(body)}>>`,
        `the body of ${route}`
      )
    )
  ].join('\n');
}

/** What each line that does not compile is about. */
function failures(source: string): string[] {
  const options: ts.CompilerOptions = {
    exactOptionalPropertyTypes: true,
    lib: ['lib.es2022.d.ts'],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    noEmit: true,
    strict: true,
    target: ts.ScriptTarget.ES2022,
    types: []
  };
  const host = ts.createCompilerHost(options);
  const fileExists = host.fileExists.bind(host);
  const readFile = host.readFile.bind(host);
  host.fileExists = path => path === CHECKS || fileExists(path);
  host.readFile = path => (path === CHECKS ? source : readFile(path));
  const getSourceFile = host.getSourceFile.bind(host);
  host.getSourceFile = (path, version) =>
    path === CHECKS
      ? ts.createSourceFile(path, source, version)
      : getSourceFile(path, version);
  const program = ts.createProgram([CHECKS, TYPES], options, host);
  const lines = source.split('\n');
  const found = ts.getPreEmitDiagnostics(program).map(one => {
    const at = one.file?.getLineAndCharacterOfPosition(one.start ?? 0).line;
    const line = one.file?.fileName === CHECKS ? lines[at ?? 0] : undefined;
    return (
      line?.split(' // ')[1] ??
      ts.flattenDiagnosticMessageText(one.messageText, '\n')
    );
  });
  return [...new Set(found)];
}

function contract(): IContract {
  return JSON.parse(ts.sys.readFile(CONTRACT) ?? '') as IContract;
}

it('has the types of openapi.json', () => {
  const source = checks(contract());
  expect(source.split('\n').length).toBeGreaterThan(200);
  expect(failures(source)).toEqual([]);
}, 60_000);

it('notices what differs', () => {
  const changed = JSON.stringify(contract())
    .replace('"load_percent":{', '"load":{')
    .replace('"enum":["waiting",', '"enum":[')
    .replace('"required":["path","source"]', '"required":["path","notebook"]')
    .replace('"name":"tail","in":"query"', '"name":"lines","in":"query"')
    .replace('"/pulls"', '"/fetches"');
  expect(failures(checks(JSON.parse(changed) as IContract))).toEqual(
    expect.arrayContaining([
      'Device',
      'Device.load',
      'Job',
      'Job.state',
      'the routes of IAnswers',
      'the routes of IBodies',
      'the query of GET /containers/{name}/logs',
      'the answer of POST /fetches'
    ])
  );
}, 60_000);
