import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** The folders of labextension/src, and from which others each may import. */
const LAYERS = {
  api: [],
  ui: ['api'],
  notebook: ['api', 'ui'],
  models: ['api', 'ui', 'notebook'],
  cells: ['api', 'ui', 'notebook', 'models'],
  commands: ['api', 'ui', 'notebook', 'models'],
  outputs: ['api', 'ui', 'notebook', 'models'],
  sidebar: ['api', 'ui', 'notebook', 'models', 'commands']
};

/** Modules beside the folders, below all of them. */
const BASE = ['constants', 'commandids', 'trans'];

/** An error for each relative import that `allowed`, a regular expression, does not match. */
function imports(files, allowed, message) {
  const pattern = { regex: `^\\.(?!${allowed})`, message };
  return {
    files,
    rules: { 'no-restricted-imports': ['error', { patterns: [pattern] }] }
  };
}

const layers = Object.entries(LAYERS).map(([folder, lower]) => {
  const allowed = [...lower, ...BASE];
  return imports(
    [`labextension/src/${folder}/**`],
    `/|\\./(?:${allowed.join('|')})(?:/|$)`,
    `${folder}/ may import only from ${allowed.join(', ')}.`
  );
});

export default defineConfig(
  globalIgnores([
    '.venv/',
    'build/',
    'jupyter_containers/',
    'labextension/lib/',
    'labextension/style/',
    'tests/',
    'notebooks/'
  ]),
  js.configs.recommended,
  {
    files: ['labextension/**/*.ts', 'labextension/**/*.tsx'],
    extends: [
      tseslint.configs.strictTypeChecked,
      tseslint.configs.stylisticTypeChecked
    ],
    languageOptions: {
      parserOptions: { project: ['labextension/tests/tsconfig.json'] }
    },
    rules: {
      eqeqeq: 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/naming-convention': [
        'error',
        // JupyterLab's own rule: interfaces begin with I.
        { selector: 'interface', format: ['PascalCase'], prefix: ['I'] }
      ],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true }
      ]
    }
  },
  {
    files: ['labextension/src/**'],
    rules: {
      'max-lines': ['error', 450],
      'max-lines-per-function': ['error', 60]
    }
  },
  imports(
    BASE.map(name => `labextension/src/${name}.ts`),
    '.^',
    'It lies below all folders.'
  ),
  ...layers,
  {
    files: ['labextension/tests/**'],
    rules: {
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off'
    }
  }
);
