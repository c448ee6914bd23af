"""English names of languages, from the Unicode Common Locale Data Repository (CLDR).

ISO 639-1, the languages of the common translation models, and the variants that change a
translation. Copyright © 1991-2025 Unicode, Inc.; licence: Unicode-3.0
(https://www.unicode.org/license.txt), which permits copying with this notice.
"""

from __future__ import annotations

from typing import Final

_LINES = """
aa Afar
ab Abkhazian
ace Acehnese
acm Mesopotamian Arabic
acq Ta'izzi-Adeni Arabic
ae Avestan
aeb Tunisian Arabic
af Afrikaans
ajp South Levantine Arabic
ak Akan
am Amharic
an Aragonese
apc North Levantine Arabic
ar Arabic
ars Najdi Arabic
ary Moroccan Arabic
arz Egyptian Arabic
as Assamese
ast Asturian
av Avaric
awa Awadhi
ay Aymara
az Azerbaijani
ba Bashkir
ban Balinese
be Belarusian
bem Bemba
bg Bulgarian
bho Bhojpuri
bi Bislama
bjn Banjar
bm Bambara
bn Bangla
bo Tibetan
br Breton
bs Bosnian
bug Buginese
ca Catalan
ce Chechen
ceb Cebuano
ch Chamorro
chr Cherokee
cjk Chokwe
ckb Central Kurdish
co Corsican
cr Cree
crh Crimean Tatar
cs Czech
cu Church Slavic
cv Chuvash
cy Welsh
da Danish
de German
dik Southwestern Dinka
dsb Lower Sorbian
dv Divehi
dyu Dyula
dz Dzongkha
ee Ewe
el Greek
en English
en-GB English (United Kingdom)
en-US English (United States)
eo Esperanto
es Spanish
es-419 Spanish (Latin America)
et Estonian
eu Basque
fa Persian
ff Fula
fi Finnish
fil Filipino
fj Fijian
fo Faroese
fon Fon
fr French
fr-CA French (Canada)
fur Friulian
fuv Nigerian Fulfulde
fy Western Frisian
ga Irish
gaz West Central Oromo
gd Scottish Gaelic
gl Galician
gn Guarani
gu Gujarati
gv Manx
ha Hausa
haw Hawaiian
he Hebrew
hi Hindi
hmn Hmong
hne Chhattisgarhi
ho Hiri Motu
hr Croatian
hsb Upper Sorbian
ht Haitian Creole
hu Hungarian
hy Armenian
hz Herero
ia Interlingua
id Indonesian
ie Interlingue
ig Igbo
ii Sichuan Yi
ik Inupiaq
ilo Iloko
io Ido
is Icelandic
it Italian
iu Inuktitut
ja Japanese
jv Javanese
ka Georgian
kab Kabyle
kac Kachin
kam Kamba
kbp Kabiyè
kea Kabuverdianu
kg Kongo
khk Halh Mongolian
ki Kikuyu
kj Kuanyama
kk Kazakh
kl Kalaallisut
km Khmer
kmb Kimbundu
kmr Northern Kurdish
kn Kannada
knc Central Kanuri
ko Korean
kr Kanuri
ks Kashmiri
ku Kurdish
kv Komi
kw Cornish
ky Kyrgyz
la Latin
lb Luxembourgish
lg Ganda
li Limburgish
lij Ligurian
lmo Lombard
ln Lingala
lo Lao
lt Lithuanian
ltg Latgalian
lu Luba-Katanga
lua Luba-Lulua
luo Luo (Kenya and Tanzania)
lus Mizo
lv Latvian
mag Magahi
mai Maithili
mg Malagasy
mh Marshallese
mi Māori
min Minangkabau
mk Macedonian
ml Malayalam
mn Mongolian
mni Manipuri
mos Mossi
mr Marathi
ms Malay
mt Maltese
my Burmese
na Nauru
nb Norwegian Bokmål
nd North Ndebele
ne Nepali
ng Ndonga
nl Dutch
nn Norwegian Nynorsk
no Norwegian
nr South Ndebele
nso Northern Sotho
nus Nuer
nv Navajo
ny Nyanja
oc Occitan
oj Ojibwa
om Oromo
or Odia
os Ossetic
pa Punjabi
pag Pangasinan
pap Papiamento
pbt Southern Pashto
pes Iranian Persian
pi Pali
pl Polish
plt Plateau Malagasy
prs Persian (Afghanistan)
ps Pashto
pt Portuguese
pt-BR Portuguese (Brazil)
pt-PT Portuguese (Portugal)
qu Quechua
quy Ayacucho Quechua
rm Romansh
rn Rundi
ro Romanian
ru Russian
rw Kinyarwanda
sa Sanskrit
sah Yakut
sat Santali
sc Sardinian
scn Sicilian
sd Sindhi
se Northern Sami
sg Sango
shn Shan
si Sinhala
sk Slovak
sl Slovenian
sm Samoan
sn Shona
so Somali
sq Albanian
sr Serbian
sr-Cyrl Serbian (Cyrillic)
sr-Latn Serbian (Latin)
ss Swati
st Southern Sotho
su Sundanese
sv Swedish
sw Swahili
szl Silesian
ta Tamil
taq Tamasheq
te Telugu
tg Tajik
th Thai
ti Tigrinya
tk Turkmen
tl Filipino
tn Tswana
to Tongan
tpi Tok Pisin
tr Turkish
ts Tsonga
tt Tatar
tum Tumbuka
tw Twi
ty Tahitian
tzm Central Atlas Tamazight
udm Udmurt
ug Uyghur
uk Ukrainian
umb Umbundu
ur Urdu
uz Uzbek
ve Venda
vec Venetian
vi Vietnamese
vo Volapük
wa Walloon
war Waray
wo Wolof
xh Xhosa
ydd Eastern Yiddish
yi Yiddish
yo Yoruba
yue Cantonese
za Zhuang
zh Chinese
zh-Hans Chinese (Simplified)
zh-Hant Chinese (Traditional)
zsm Standard Malay
zu Zulu
"""

ENGLISH_NAMES: Final[dict[str, str]] = {
    code: name for code, _, name in (line.partition(" ") for line in _LINES.strip().splitlines())
}
"""Code → name."""
