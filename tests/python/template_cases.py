"""Jinja sources, each rendered by jinja2 in transformers' settings and by tandem in test_chat_template.py."""

VARIABLES = {
    "s": "Hello, World",
    "u": "Grüße aus Köln — 日本語 😀!",
    "sp": "  \t padded \n ",
    "lines": "one\ntwo\n\n  three\r\nfour",
    "html": "<b>\"x\" & 'y'</b>",
    "quote": "it's",
    "both": "it's \"so\"",
    "ctl": "a\tb\nc\rd\\e\x00\x1f\x7f\u00a0\u200b\u2028\U0001f600\U000e0001",
    "empty": "",
    "n": 7,
    "neg": -7,
    "zero": 0,
    "f": 2.5,
    "big": 12345678901234567,
    "huge": 18446744073709551615,
    "tiny": 1e-7,
    "large": 1e22,
    "frac": 0.1,
    "t": True,
    "no": False,
    "nil": None,
    "l": [3, 1, 2],
    "words": ["banana", "Apple", "cherry", "apple"],
    "mixed": [1, "two", 3.0, None, True, [4, 5], {"k": "v"}],
    "nested": [[1, [2, [3]]], {"a": {"b": {"c": [1, 2, {"d": "é"}]}}}],
    "d": {"b": 1, "a": 2, "C": 3},
    "users": [
        {"name": "bob", "age": 30, "tags": ["x", "y"], "on": True, "o": {"k": 2}},
        {"name": "Alice", "age": 25, "tags": [], "on": False, "o": {"k": 1}},
        {"name": "carol", "age": 30, "tags": ["z"], "on": True, "o": {"k": 3}},
        {"name": "alice", "on": None, "o": {}},
    ],
    "items_dict": {"items": "shadow", "keys": 1, "get": 2, "x": 3},
    "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}],
}

EXPRESSIONS = r"""
1 + 2 * 3 - 4
(1 + 2) * 3
7 // 2
-7 // 2
7 // -2
-7 % 3
7 % -3
7 / 2
6 / 3
2 ** 3
2 ** 3 ** 2
2 ** -1
-2 ** 2
2 ** 0.5
7.5 // 2
-7.5 % 2
-7.5 // 2
1e3
1e16
1.5e300 * 10
123456789.123456789
0.1 + 0.2
1 / 3
100.0
1e15
1e-4
1e-5
5e-324
1.7976931348623157e308
-0.0
0x1F + 0o17 + 0b11
1_000_000
1_0.5
not true
not not 1
true and 0
'' or 'x'
none or false or []
1 and 2 and 3
n > 5 and n < 10
1 < 2 < 3
1 < 3 < 2
3 > 2 > 1 == true
1 == 1.0
true == 1
'a' == 'a'
'a' < 'b'
[1, 2] < [1, 3]
(1, 2) == (1, 2)
[1, 2] == (1, 2)
{'a': 1} == {'a': 1.0}
none == none
missing == missing
missing == none
missing is defined
missing
missing ~ 'x'
[missing]
missing | length
missing in [1]
1 in missing
'x' in s
'World' in s
'' in s
1 in l
9 not in l
'a' in d
'z' not in d
not 'a' in d
1 in (1, 2)
s ~ n ~ f ~ nil ~ t
'a' 'b' "c"
'a' + 'b' ~ 1 + 2
s + '!' * 3
'ab' * 0
'ab' * -1
3 * 'ab'
[1] * 3
[1] + [2, 3]
(1,) + (2,)
(1,)
()
(1, 2, 3)
[]
{}
[1, 'a', none, true, 1.5, [2], {'k': 'v'}, (1,)]
{'a': 1, 'b': [1, 2], 3: none, none: 4, true: 5, 1.5: 6, (1, 2): 7}
{'a': 1, 'a': 2}
{'x': {'y': {'z': 1}}}
s[0]
s[-1]
s[100]
s[1:4]
s[:5]
s[7:]
s[::-1]
s[::2]
s[-3:]
s[5:2]
s[10:0:-3]
s[:-1]
s[none:3]
s[-100:100]
s[::100000000000]
u[0]
u[2:5]
u[-2]
u[::-1]
u[::3]
u | length
l[0]
l[-1]
l[5]
l[1:]
l[::-1]
l[:-1]
(1, 2, 3)[1:]
mixed[5][1]
mixed[6].k
mixed[6]['k']
d.a
d['a']
d.missing
d['missing']
d['missing'] is defined
d.items() | list
d.keys() | list
d.values() | list
d.items()
d.keys()
d.get('a')
d.get('z')
d.get('z', 9)
d.get('z') is none
d.copy()
items_dict.items() | list
items_dict['items']
items_dict.x
items_dict['get']
items_dict.keys() | join
users[0].name
users[0]['tags'][1]
users.0.name
users[-1].age is defined
nested[1].a.b.c[2].d
nested
mixed
n if n > 3 else 'small'
'yes' if missing else 'no'
'yes' if missing
('yes' if missing) is defined
1 if 0 else 2 if 0 else 3
(1 if 1) + 1
s is string
n is string
n is number
t is number
t is integer
n is integer
f is float
f is number
n is float
t is boolean
n is boolean
nil is none
missing is none
missing is undefined
missing is not defined
l is sequence
d is sequence
s is sequence
missing is sequence
d.items() is sequence
d is mapping
l is mapping
l is iterable
s is iterable
n is iterable
missing is iterable
d.items() is iterable
(l | map('string')) is iterable
(l | map('string')) is sequence
t is true
1 is true
no is false
0 is false
n is odd
n is even
n is divisibleby 7
n is divisibleby(2)
n is in [7, 8]
n is in(l)
'a' is in d
n is eq 7
n is equalto(7)
n is ne 7
n is lt 8
n is le 7
n is gt 8
n is ge 7
n is lessthan 8
n is greaterthan 8
n is sameas n
l is sameas l
[] is sameas []
'abc' is lower
'ABC' is upper
'Abc' is lower
1 is lower
range is callable
n is callable
raise_exception is defined
'upper' is filter
'nope' is filter
'odd' is test
'nope' is test
s is string and n is number
not s is string
s is not string
n is not number or t
'x' is string ~ 'y'
s|upper
s|lower
'hello world'|title
'hello WORLD foo-bar (baz) it''s'|title
"it's a dog's life"|title
u|title
'hELLO'|capitalize
''|capitalize
sp|trim
'xxaxx'|trim('x')
s|replace('l', 'L')
s|replace('l', 'L', 1)
s|replace('', '-')
'aaa'|replace('a', 'b', 2)
1.5|replace('.', ',')
s|length
s|count
l|length
d|length
s|first
s|last
l|first
l|last
[]|first
[]|last is defined
d|first
s|list
d|list
l|sort
l|sort(reverse=true)
words|sort
words|sort(case_sensitive=true)
words|sort(true)
users|sort(attribute='name')|map(attribute='name')|join(',')
users|selectattr('age', 'defined')|sort(attribute='age,name')|map(attribute='name')|join(',')
users[:3]|sort(attribute='o.k')|map(attribute='name')|list
l|reverse|list
s|reverse
u|reverse
l|join
l|join(', ')
l|join(1)
mixed|join('|')
users|join(', ', attribute='name')
users|map(attribute='name')|join('-')
users|map(attribute='o.k')|list
users|map(attribute='age', default=0)|list
users|map(attribute='tags.0', default='-')|list
words|map('upper')|list
words|map('replace', 'a', 'A')|list
l|map('string')|list
l|map('float')|join(' ')
[[1, 2], [3]]|map('sum')|list
l|select('odd')|list
l|select('gt', 1)|list
l|select|list
[0, 1, '', 'a', none]|select|list
l|reject('odd')|list
[0, 1, '', 'a', none]|reject|list
users|selectattr('on')|map(attribute='name')|list
users|selectattr('age', 'equalto', 30)|map(attribute='name')|list
users|selectattr('name', 'in', ['bob', 'carol'])|map(attribute='name')|list
users|rejectattr('on')|map(attribute='name')|list
users|rejectattr('age', 'defined')|map(attribute='name')|list
users|selectattr('o.k', 'defined')|map(attribute='name')|list
users|selectattr('age', '>=', 30)|list|length
missing|default('x')
missing|d('x')
nil|default('x')
nil|default('x', true)
''|default('x', boolean=true)
missing.a|default('x')
d.nope|default('x')
missing|default
d|tojson
mixed|tojson
nested|tojson
u|tojson
u|tojson(ensure_ascii=true)
ctl|tojson
ctl|tojson(ensure_ascii=true)
html|tojson
nested|tojson(indent=2)
nested|tojson(indent=0)
nested|tojson(indent=1)
nested|tojson(indent='--')
d|tojson(sort_keys=true)
d|tojson(separators=(',', ':'))
d|tojson(indent=4, separators=(',', ': '))
[]|tojson(indent=2)
{}|tojson(indent=2)
[[], {}]|tojson(indent=2)
(1, 2)|tojson
{1: 2, none: 3, true: 4, 1.5: 5}|tojson
[1.0, 1e16, 1e-7, 0.1, -0.0, 123456.789]|tojson
[huge, big, tiny, large]|tojson
huge
big
big + 1
tiny
large
frac
[tiny, large, frac]
none|tojson
missing|tojson
range(3)|tojson
n|string
mixed|string
'42'|int
'42.9'|int
' 42 '|int
'-5'|int
'x'|int
'x'|int(7)
'x'|int(default=8)
'1_000'|int
'0x1F'|int(base=16)
'ff'|int(0, 16)
'077'|int(base=8)
'101'|int(0, 2)
3.99|int
-3.99|int
true|int
none|int
[]|int
'1e3'|int
'1.5'|float
'x'|float
'x'|float(1.5)
'nan'|float
'inf'|float
'-Infinity'|float
7|float
true|float
'1e3'|float
'  2.5  '|float
2.5|round
3.5|round
2.675|round(2)
42.55|round(1, 'floor')
42.55|round(1, 'ceil')
7|round
1234|round(-2)
1250|round(-2)
1234.5|round(-2)
-2.5|round
0.5|round
1e30|round(2)
-3|abs
-2.5|abs
true|abs
'<a href="x">&\'</a>'|escape
html|e
html|escape|upper
html|safe
(html|safe) + '<i>'
'<i>' + (html|safe)
(html|safe) ~ '<i>'
(html|e)|e
(html|e)|forceescape
('<%s>'|safe) % '<x>'
('<{}>'|safe).format('<x>')
('<'|safe).join(['<a>', '<b>'])
('<b>'|safe).replace('<', '>')
[html|safe]
(html|safe)|string|length
'a b c'|wordcount
u|wordcount
'%s-%d-%.2f'|format('x', 5, 2.345)
'%(a)s %(b)05d'|format(a='x', b=42)
'%s' % 'x'
'%s' % (1,)
'%s %s' % (1, 'b')
'%d%%' % 50
'%5d|%-5d|%05d|%+d|% d' % (42, 42, 42, 42, 42)
'%x %X %#x %o %#o' % (255, 255, 255, 8, 8)
'%e %E %g %G' % (12345.678, 12345.678, 0.00001234, 1e20)
'%10.3f|%-10.3f|%010.3f' % (3.14159, 3.14159, -3.14159)
'%r %s' % ('a', none)
'%c%c' % ('x', 65)
'%5s|%-5s|%.2s' % ('abc', 'abc', 'abc')
'%.3d|%8.3d|%-8.3d|' % (7, 7, -7)
'%*d' % (5, 42)
'%(a)s' % {'a': 1, 'b': 2}
'%s' % [1, 2]
'no args' % {}
'%i %u' % (3.7, true)
'{} {}'.format(1, 'b')
'{0} {1} {0}'.format('a', 'b')
'{a} {b}'.format(a=1, b='x')
'{0[a]} {1.b}'.format({'a': 5}, {'b': 6})
'{0[1]}'.format([1, 2])
'{!r} {!s}'.format('a', 'b')
'{{}} {}'.format(1)
'{:>8}|{:<8}|{:^8}|'.format('ab', 'ab', 'ab')
'{:*^9}'.format('mid')
'{:5d}|{:<5d}|{:05d}|{:+d}|{: d}'.format(42, 42, 42, 42, 42)
'{:.2f} {:10.3f} {:e} {:g} {:%}'.format(3.14159, 2.71828, 12345.678, 0.0001, 0.256)
'{:,} {:_} {:,.2f}'.format(1234567, 1234567, 1234567.891)
'{:x} {:X} {:#x} {:b} {:o} {:#b}'.format(255, 255, 255, 5, 8, 5)
'{:.3}'.format('abcdef')
'{:{w}}|'.format('x', w=4)
'{:>{}}|'.format('x', 4)
'{:.3}'.format(3.14159)
'{:10}|'.format(1.5)
'{:10}|'.format(7)
'{:c}'.format('x') if false else 'skip'
'{}'.format(none)
'{}'.format([1, 'a'])
'{:08.2f}|{:+.1f}'.format(-3.14159, 2.0)
'{:=+8d}'.format(42)
'{:^+8d}|'.format(42)
s.upper()
s.lower()
s.title()
"they're bill's".title()
s.capitalize()
s.swapcase()
sp.strip()
sp.lstrip()
sp.rstrip()
'xxaxx'.strip('x')
'xyaxy'.lstrip('yx')
'äöä'.strip('ä')
s.split()
s.split(', ')
s.split('l')
s.split('l', 1)
s.split('l', maxsplit=1)
s.rsplit('l', 1)
' a  b '.split()
' a  b  c '.split(none, 1)
' a  b  c '.rsplit(none, 1)
' a  b '.split(' ')
''.split()
''.split('x')
lines.splitlines()
lines.splitlines(true)
lines.split('\n')
'a\x0bb\x0cc\x1cd\x85e\u2028f'.splitlines()
s.startswith('Hell')
s.startswith(('x', 'Hell'))
s.startswith('ell', 1)
s.endswith('World')
s.endswith(('d', 'x'))
s.endswith('o', 0, 5)
s.find('o')
s.find('o', 5)
s.find('z')
s.rfind('o')
s.index('W')
u.find('K')
u.find('😀')
s.count('l')
s.count('')
s.replace('l', 'L')
s.replace('l', 'L', 1)
s.replace('', '.')
u.replace('ö', 'oe')
', '.join(words)
''.join(['a', 'b'])
'-'.join('abc')
'abc'.isalpha()
'abc1'.isalnum()
'123'.isdigit()
'12.3'.isdigit()
''.isdigit()
'²'.isdigit()
'½'.isnumeric()
'١٢'.isdecimal()
'abc'.islower()
'ABC'.isupper()
'Abc Def'.istitle()
' \n'.isspace()
'abc'.isascii()
u.isascii()
'a\n'.isprintable()
'7'.zfill(3)
'-7'.zfill(4)
'ab'.ljust(5, '.') ~ '|'
'ab'.rjust(5) ~ '|'
'ab'.center(5, '*')
'abc'.center(6, '*')
'abc'.center(7, '*')
'a=b=c'.partition('=')
'a=b=c'.rpartition('=')
'abc'.partition('x')
'abc'.rpartition('x')
'prefix-x'.removeprefix('prefix-')
'x.txt'.removesuffix('.txt')
'x'.removeprefix('y')
'a\tb'.expandtabs(4)
'ß ŉ ﬁ ΑΣ İ'.upper()
'ÀΣ ΑΣ. İ'.lower()
'ǆ ﬁx'.title()
'ß'.capitalize()
'straße'|upper
[1, 2, 1].count(1)
[1, 2, 1].index(2)
(1, 2).count(2)
l.copy()
range(5)|list
range(1, 5)|list
range(5, 0, -2)|list
range(0)|list
range(3)
range(1, 3, 2)
range(10)[3]
range(10)[-1]
range(5)|length
3 in range(5)
range(10)|sum
dict(a=1, b=2)
dict([('a', 1), ['b', 2]])
dict({'a': 1}, b=2)
dict(d).a
namespace(a=1).a
namespace({'a': 2}).a
namespace(a=1).missing is defined
d|items|list
d|dictsort
d|dictsort(true)
d|dictsort(by='value')
d|dictsort(reverse=true)
missing|items|list
words|unique|list
words|unique(true)|list
[1, 1.0, true, 2]|unique|list
users|unique(attribute='age')|list|length
l|min
l|max
words|min
words|max
words|max(true)
users[:3]|max(attribute='age')
[]|min is defined
l|sum
users[:3]|sum(attribute='age')
l|sum(start=10)
[[1], [2]]|sum(start=[])
l|batch(2)|list
l|batch(2, 'x')|list
range(10)|slice(3)|list
range(10)|slice(3, 'x')|list
users[:3]|groupby('age')
users|groupby('name')|map('first')|list
lines|indent
lines|indent(2)
lines|indent(2, true)
lines|indent(2, first=true)
lines|indent(width=2, blank=true)
lines|indent('> ')
''|indent
s|center(20)
s|truncate(5)
s|truncate(5, true)
s|truncate(5, false, '..', 0)
'foo bar baz qux'|truncate(11)
'foo bar baz qux'|truncate(9, true)
s|attr('upper') is callable
d|attr('a') is defined
s|string|upper|lower|title
s|upper|list|first
(s|upper).lower()
s.upper()|lower
[s, s|upper]|join|length
-n|abs
-7|abs
- n
+ n
--n
ctl
[ctl]
[quote, both, 'plain', "\""]
[u]
'\u00e9\x41\101\n\t\'\"\\\q'
'\U0001F600'
"tab\tnew\nline"
loop is defined
varargs is defined
[1, 2, 3,]
{'a': 1,}
(1, 2,)
s | upper | replace ( 'H' , 'J' )
[x for x in l]
l.append(1)
d.update({'x': 1})
d.pop('a')
l.append is defined
d.pop is defined
s.nope is defined
s.__class__
s.__class__ is defined
missing.attr
missing['x']
missing()
nil.attr
nil.attr.x
nil['x'] is defined
s.upper.x is defined
d[l]
d[l] is defined
l['x'] is defined
l[1.0] is defined
n[0] is defined
n()
s + 1
1 + s
s - 1
l + (1,)
nil + 1
missing + 1
1 / 0
1 // 0
1 % 0
1.0 / 0
-s
n < s
nil < 1
[1] < ['a']
n in s
1 in 1
l|first|upper
nil|length
n|length
n|list
nil|join
s|nope
s is nope
s|default(nope())
(l|map('upper'))|length
l|map('nope')|list
l|select('nope')|list
l|map|list
(l|map('string'))|last
d|sort
mixed|sort
mixed|max
'%d' % 'x'
'%s %s' % 'x'
'%s' % ('a', 'b')
'%z' % 1
'%' % 1
'{} {}'.format(1)
'{x}'.format(1)
'{'.format(1)
'}'.format(1)
'{:d}'.format('x')
'{:s}'.format(1)
s.split('')
s.index('zzz')
s.join([1])
s.startswith(1)
range(1000000)
range(1, 10, 0)
l[::0]
{[]: 1}
{l: 1}
9223372036854775807
-9223372036854775807 - 1
1 if true else
1 +
(1
[1
{1: }
'unclosed
foo bar
1 2
s.
s|
s is
not
1 ==
a b
{{
s[1,2] is defined
d[1, 2] is defined
d['a', ]
""".strip("\n").split("\n")

TEMPLATES = [
    "plain text",
    "",
    "\n",
    "a\n",
    "a\n\n",
    "a\r\nb\rc\n",
    "{{ 1 }}\n",
    "{{ 1 }}\n\nx",
    "a {{ s }} b {{ n }} c",
    "{# comment #}x",
    "a {# multi\nline #}\nb",
    "a {#- x -#} b",
    "a {#-#} b",
    "a {#--#} b",
    "a\n {##}\nb",
    "a\n  {#- x #}\nb",
    "a\n  {# x #}\nb",
    "a\n  {#+ x +#}\nb",
    "{% if t %}yes{% endif %}",
    "{% if no %}yes{% else %}no{% endif %}",
    "{% if no %}1{% elif nil %}2{% elif t %}3{% else %}4{% endif %}",
    "{% if no %}1{% elif nil %}2{% endif %}",
    "{% if t %}\n  x\n{% endif %}\ny",
    "  {% if t %}\n  x\n  {% endif %}\ny",
    "a  {% if t %}  x  {% endif %}  y",
    "a  {%- if t -%}  x  {%- endif -%}  y",
    "a\n\n  {%- if t %}\n\n x\n{% endif -%}\n\n  y",
    "a\n  {%+ if t %}\nx\n  {%+ endif +%}\ny",
    "a {{- s -}} b",
    "a\n {{- s -}} \n b",
    "  {{ s }}\n  {{ n }}\n",
    "\t{% if t %}\tx{% endif %}\t\n",
    "x{% if t %}\n{% endif %}\n{% if t %}\n{% endif %}\ny",
    "{% if t %}{% endif %}  {% if t %}a{% endif %}",
    "\n  {% if t %}a{% endif %}  \n  {% if t %}b{% endif %}",
    "{% if t %}\n  {% if n %}\n    deep\n  {% endif %}\n{% endif %}\n",
    "{% if t -%}\n  x\n{%- endif %}",
    "\u00a0{% if t %}x{% endif %}\n\u2003{%- if t %}y{% endif %}",
    "{% raw %}{{ x }} {% if %}{% endraw %}",
    "a {%- raw -%}  {{ x }}  {%- endraw -%} b",
    "{% raw %}\n x\n {% endraw %}\ny",
    "  {% raw %}x{% endraw %}\n",
    "{% raw %}{% endraw %}{% raw %} {% endraw %}",
    "{% for x in l %}{{ x }},{% endfor %}",
    "{% for x in l %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for x in [] %}x{% else %}none{% endfor %}",
    "{% for x in l %}x{% else %}none{% endfor %}",
    "{% for x in missing %}x{% else %}none{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}",
    "{% for x in l if x > 5 %}x{% else %}none{% endfor %}",
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}"
    "{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}",
    "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }};{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }};{% endfor %}",
    "{% for x in [1, 1, 2] %}{% if loop.changed(x, 1) %}{{ x }}{% endif %}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d | dictsort %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in d %}{{ k }}{% endfor %}",
    "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in ['xy', 'zw'] %}{{ a }}-{{ b }};{% endfor %}",
    "{% for a, b in [[1, 2, 3]] %}{{ a }}{% endfor %}",
    "{% for a, b in [1] %}{{ a }}{% endfor %}",
    "{% for c in u %}[{{ c }}]{% endfor %}",
    "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}",
    "{% for x in range(3) %}{% for y in range(2) %}{{ loop.index }}{{ x }}{{ y }} {% endfor %}{{ loop.index }};{% endfor %}",
    "{% for x in range(10) %}{% if x == 3 %}{% continue %}{% endif %}{% if x == 6 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% break %}{% else %}none{% endfor %}",
    "{% for x in range(3) %}{% for y in range(5) %}{% if y > x %}{% break %}{% endif %}{{ y }}{% endfor %};{% endfor %}",
    "{% for x in [1, [2, [3, 4]], 5] recursive %}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}@{{ loop.depth }}{% endif %}{% endfor %}",
    "{% for x in n %}{% endfor %}",
    "{% for x in nil %}{% endfor %}",
    "{% for x in l %}{% set y = x %}{% endfor %}{{ y is defined }}",
    "{% set y = 0 %}{% for x in l %}{{ y }}{% set y = x %}{{ y }};{% endfor %}{{ y }}",
    "{% for x in l %}{% if loop.first %}{% set q = 'first' %}{% endif %}{{ q }}|{% endfor %}",
    "{% for x in l %}{{ x }}{% endfor %}{{ x is defined }}{{ loop is defined }}",
    "{% for messages in [1] %}{{ messages }}{% endfor %}{{ messages | length }}",
    "{% set x = 1 %}{{ x }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set (a, b) = [3, 4] %}{{ a }}{{ b }}",
    "{% set t = 1, 2 %}{{ t }}",
    "{% set x %}block {{ n }}{% endset %}[{{ x }}]",
    "{% set x | upper %}block {{ n }}{% endset %}[{{ x }}]",
    "{% set x | upper | replace('B', 'C') %}block{% endset %}[{{ x }}]",
    "{% set x %}{% set y = 1 %}{{ y }}{% endset %}{{ x }}{{ y is defined }}",
    "{% set ns = namespace(x=0) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace() %}{% set ns.a = 1 %}{% set ns.a = 2 %}{% set ns.b = [] %}{{ ns.a }}{{ ns.b }}",
    "{% set ns = namespace(a=1) %}{% set ns.a %}blk{% endset %}{{ ns.a }}",
    "{% set ns = namespace(items=[]) %}{% set ns.items = ns.items + [1] %}{{ ns.items }}",
    "{% set ns = namespace(a=1) %}{% set ns.a, b = 5, 6 %}{{ ns.a }}{{ b }}",
    "{% set d.x = 1 %}",
    "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "{{ namespace(_x=1) }}",
    "{% set true = 1 %}",
    "{% if t %}{% set x = 5 %}{% endif %}{{ x }}",
    "{% if no %}{% set messages = [] %}{% endif %}{{ messages | length }}",
    "{% if no %}{% set q = [] %}{% endif %}{{ q is defined }}",
    "{% set messages = messages[1:] %}{{ messages | length }}{{ messages[0].role }}",
    "{% macro m(a, b=2, c='x') %}{{ a }}-{{ b }}-{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c='y') }}{{ m(b=5, a=4) }}{{ m() }}",
    "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}",
    "{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}",
    "{% macro m(x) %}{% if x > 0 %}{{ x }}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(5) }}",
    "{% macro a() %}[{{ b() }}]{% endmacro %}{% macro b() %}b{% endmacro %}{{ a() }}",
    "{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{% set x = 2 %}{{ m() }}",
    "{% macro m() %}{% set x = 9 %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{{ x }}",
    "{% macro m() %}{{ s }}{{ messages | length }}{% endmacro %}{{ m() }}",
    "{% macro m() -%}\n  x\n{%- endmacro %}[{{ m() }}]",
    "{% macro m(x) %}{{ x }}{% endmacro %}{{ m('a') | upper }}{{ m('a') ~ 'b' }}{{ m('a').upper() }}{{ m('<') + '>' }}",
    "{% macro m(x) %}{{ caller() }}{{ x }}{% endmacro %}{% call m(1) %}inner{% endcall %}",
    "{% macro m() %}{% for i in range(3) %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(x) m() %}<{{ x }}>{% endcall %}",
    "{% macro m() %}{{ caller(1, b=3) }}{% endmacro %}{% call(a, b=2) m() %}{{ a }}{{ b }}{% endcall %}",
    "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}",
    "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{% for i in l %}{% call m() %}{{ i }}{% endcall %}{% endfor %}",
    "{% macro m(caller=none) %}{{ caller }}{% endmacro %}{{ m() }}",
    "{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}",
    "{{ m }}{% macro m() %}x{% endmacro %}",
    "{% macro m() %}x{% endmacro %}{{ m.name }}",
    "{% macro m(a, b=1, c) %}{% endmacro %}",
    "{% filter upper %}abc {{ s }}{% endfilter %}",
    "{% filter upper | replace('A', 'x') %}abc{% endfilter %}",
    "{% filter indent(2) %}a\nb{% endfilter %}",
    "{% filter trim %}  a  {% endfilter %}|",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}",
    "{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a is defined }}",
    "{% with a = n %}{% with a = a + 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}{% endwith %}",
    "{% generation %}x{{ n }}{% endgeneration %}y",
    "{% generation %}{% set z = 1 %}{{ z }}{% endgeneration %}{{ z is defined }}",
    "a\n{% generation %}\nb\n{% endgeneration %}\nc",
    "{% for m in messages %}{% generation %}{{ m.content }}{{ loop.index }}{% endgeneration %}{% endfor %}",
    "{% print 1 + 2 %}",
    "{% print 1, 2 %}",
    "{{ 1, 2 }}",
    "{{ {'a': {'b': 1}}['a']['b'] }}",
    "{{ {'a': {}} }}",
    "{{ '}}' }}{{ '%}' }}{{ '{{' }}",
    "{% set x = '%}' %}{{ x }}",
    "{{ raise_exception('my words') }}",
    "{{ raise_exception(1) }}",
    "{% if t %}{{ raise_exception('<' ~ s ~ '>') }}{% endif %}",
    "{{ strftime_now('%Y') | length }}",
    "{{ strftime_now('%d %b %Y') }}",
    "{{ strftime_now('%Y-%m-%d') }}",
    "{{ strftime_now('100%%') }}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}",
    "{% set j = joiner(', ') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}",
    "{% set j = joiner() %}{{ j() }}a{{ j() }}b",
    "{% set f = s.upper %}{{ f() }}",
    "{% set x = none %}{{ x }}{{ x is none }}",
    "{{ dict(a=1) }}{{ dict() }}",
    "{%- set role = 'user' -%}\n<|{{ role }}|>\n{{- '\\n' }}",
    "{{ '<|im_start|>' + messages[0]['role'] + '\\n' + messages[0]['content'] + '<|im_end|>' + '\\n' }}",
    "{%- for m in messages %}\n    {%- if m.role == 'user' %}\n        {{- 'U: ' + m.content + '\\n' }}\n    {%- else %}\n        {{- 'A: ' + m.content }}\n    {%- endif %}\n{%- endfor %}\n",
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% else %}{% set loop_messages = messages %}{% endif %}{{ loop_messages | length }}",
    "{%if t%}x{%endif%}{{s}}{%for i in l%}{{i}}{%endfor%}",
    "{% if t: %}x{% endif %}",
    "{% if\n  t\n  and n\n%}x{% endif %}",
    "{{\n s\n}}",
    "{{ s -}}   \n\n x",
    "{{ s }}   \n\n x",
    "é{{ 'é' }}日本{{ u }}",
    "{% set ünïcode = 1 %}{{ ünïcode }}",
    "{{ a.b }}",
    "{{ a is defined and a.b }}",
    "{% if missing and missing.x %}1{% else %}2{% endif %}",
    "{% if missing.x %}1{% endif %}",
    "{{ (1, 2)[0] }}{{ [1, 2][-1] }}{{ 'abc'[1] }}{{ {'a': 1}.a }}",
    "{{ l | map('string') | map('upper') | list | join }}",
    "{% set g = l | map('string') %}{{ g | join }}{{ g | join }}",
    "{% set g = users | selectattr('on') %}{% for u in g %}{{ u.name }}{% endfor %}{% for u in g %}{{ u.name }}{% endfor %}",
    "{% for g in users[:3] | groupby('age') %}{{ g.grouper }}:{{ g.list | length }};{% endfor %}",
    "{% for age, us in users[:3] | groupby('age') %}{{ age }}:{{ us | map(attribute='name') | join('+') }};{% endfor %}",
    "{% for row in range(5) | batch(2, 0) %}{{ row }}{% endfor %}",
    "{% set x = [1, 2] %}{% set y = x + [3] %}{{ x }}{{ y }}",
    "{% set a = {'x': 1} %}{% set b = dict(a, y=2) %}{{ a }}{{ b }}",
    "{% for x in l %}{% set ns = namespace(v=x) %}{{ ns.v }}{% endfor %}",
    "{{ 'a' if n is odd else 'b' }}{{ n is odd and 'c' or 'd' }}",
    "{% if 'a' in d and d.a == 2 and not (n > 10 or no) %}ok{% endif %}",
    "{% if n %}{% elif %}{% endif %}",
    "{% if t %}",
    "{% endif %}",
    "{% for x in %}{% endfor %}",
    "{% for in l %}{% endfor %}",
    "{% for x in l %}",
    "{% else %}",
    "{% nope %}",
    "{% set %}",
    "{% set x %}",
    "{% macro %}{% endmacro %}",
    "{% break %}",
    "{% include 'x' %}",
    "{% extends 'x' %}",
    "{% import 'x' as y %}",
    "{% do l.append(1) %}",
    "{% call 1 %}{% endcall %}",
    "{{ }}",
    "{{ 1",
    "{% if",
    "{# x",
    "{% raw %}x",
    "{{ ( }}",
    "{{ ) }}",
    "{{ [1) }}",
    "{{ $ }}",
    "{{ a ? b }}",
    "{{ 1 }} }} %} #}",
    "{ { x } } { % x % }",
    "{",
    "{{'{'}}{",
    "%}",
    "{{ 'x' }}{",
    "{% if t %}\r\nx\r\n{% endif %}\r\ny",
    "{{ 'a\nb' }}|{{ 'a\r\nb' }}",
    "{% set m = messages[-1] %}{{ m.role }}{{ m['content'] }}{{ m.nope }}{{ m.get('nope') }}",
    "{{ messages | tojson }}",
    "{{ messages }}",
    "{{ messages | map(attribute='content') | join('\\n') | indent(4) }}",
    "{{ users | tojson(indent=4) }}",
    "{{ [1, 2] | join(',') if l else '' }}",
    "{% for i in range(3) -%}\n {{ i }}\n{%- endfor %}",
    "{% for i in range(3) %}\n {{ i }}\n{% endfor %}",
    "{% for i in range(3) +%}\n {{ i }}\n{% endfor %}",
    "x {%- for i in range(3) %} {{ i -}} {% endfor -%} y",
]
