'use strict';

// The public surface as index.d.ts declares it: what there is to call, with which arguments, and
// what may come back. Read with the compiler itself, so that nothing declared can be overlooked.

const fs = require('node:fs');
const path = require('node:path');
const ts = require('typescript');

const FILE = path.join(__dirname, '..', '..', 'index.d.ts');
const tree = ts.createSourceFile(FILE, fs.readFileSync(FILE, 'utf8'), ts.ScriptTarget.Latest, true);

/** `{ name, type, optional, rest }` of each parameter. */
function parametersOf(member) {
  return member.parameters.map((parameter) => ({
    name: parameter.name.getText(tree),
    type: parameter.type,
    optional: Boolean(parameter.questionToken),
    rest: Boolean(parameter.dotDotDotToken),
  }));
}

/** `{ name, parameters, methods }` of each class; a method has `{ name, isStatic, parameters, returns }`. */
function readClasses() {
  return tree.statements.filter(ts.isClassDeclaration).map((declaration) => {
    const constructor = declaration.members.find(ts.isConstructorDeclaration);
    return {
      name: declaration.name.text,
      parameters: constructor ? parametersOf(constructor) : [],
      methods: declaration.members.filter(ts.isMethodDeclaration).map((method) => ({
        name: method.name.getText(tree),
        isStatic: Boolean(method.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword)),
        parameters: parametersOf(method),
        returns: method.type,
      })),
    };
  });
}

/** Whether a value that has been returned is one that the declared type allows. */
function allows(type, value, exported) {
  const { SyntaxKind } = ts;
  switch (type.kind) {
    case SyntaxKind.VoidKeyword:
    case SyntaxKind.UndefinedKeyword:
      return value === undefined;
    case SyntaxKind.StringKeyword:
      return typeof value === 'string';
    case SyntaxKind.NumberKeyword:
      return typeof value === 'number';
    case SyntaxKind.BooleanKeyword:
      return typeof value === 'boolean';
    case SyntaxKind.LiteralType: {
      const { literal } = type;
      if (literal.kind === SyntaxKind.TrueKeyword) return value === true;
      if (literal.kind === SyntaxKind.FalseKeyword) return value === false;
      if (literal.kind === SyntaxKind.NullKeyword) return value === null;
      return ts.isNumericLiteral(literal) ? value === Number(literal.text) : value === literal.text;
    }
    case SyntaxKind.UnionType:
      return type.types.some((one) => allows(one, value, exported));
    case SyntaxKind.ArrayType:
      return Array.isArray(value) && value.every((one) => allows(type.elementType, one, exported));
    case SyntaxKind.TupleType:
      return Array.isArray(value) && value.length === type.elements.length &&
        value.every((one, index) => {
          const element = type.elements[index];
          return allows(ts.isNamedTupleMember(element) ? element.type : element, one, exported);
        });
    case SyntaxKind.TypeReference: {
      const name = type.typeName.getText(tree);
      if (name === 'Promise') return value instanceof Promise;
      if (name === 'Array') return Array.isArray(value);
      if (name in exported) return value instanceof exported[name];
      return typeof value === 'object' && value !== null;
    }
    default:
      throw new Error(`teach test/misuse/declarations.js the type ${type.getText(tree)}`);
  }
}

/** What the promise of a `Promise<T>` type, alone or in a union, resolves with. */
function promised(type) {
  if (ts.isUnionTypeNode(type)) return type.types.map(promised).find(Boolean);
  return ts.isTypeReferenceNode(type) && type.typeName.getText(tree) === 'Promise' ? type.typeArguments[0] : undefined;
}

/** The words of which a type is made: names, keywords and literals. */
function wordsOf(type) {
  if (!type) return [];
  if (ts.isUnionTypeNode(type)) return type.types.flatMap(wordsOf);
  if (ts.isArrayTypeNode(type)) return ['array'];
  if (ts.isFunctionTypeNode(type)) return ['function'];
  if (ts.isTypeLiteralNode(type)) return ['object'];
  return [type.getText(tree)];
}

module.exports = { allows, classes: readClasses(), promised, wordsOf };
